import type { ReplayFailedStepResponse, RunHealth } from '@medformer/gen/trainer';
import { facts, short } from './terminal.js';

/** What to expect of the loss, in one line; empty where nothing is known of it. */
export function expectedLine({ expectedLoss }: RunHealth): string {
  const { start, floor, collapsed } = expectedLoss ?? {};
  const said = [
    ...(start === undefined ? [] : [`starts near ${significant(start)}`]),
    ...(floor === undefined ? [] : [`cannot go below ${significant(floor)}`]),
    ...(collapsed === undefined ? [] : [`stays at ${significant(collapsed)} on collapse`]),
  ];
  return said.length === 0 ? '' : `loss ${said.join(', ')}`;
}

/** Tells a run's health as it changes, each thing once. */
export class HealthNotes {
  private expected = '';
  private readonly warned = new Set<string>();

  /** The lines to print now. */
  after(health: RunHealth): string[] {
    const lines: string[] = [];
    const expected = expectedLine(health);
    if (expected !== '' && expected !== this.expected) lines.push(expected);
    this.expected = expected;
    for (const warning of health.warnings) {
      if (!this.warned.has(warning)) lines.push(`warning: ${warning}`);
      this.warned.add(warning);
    }
    return lines;
  }
}

/** What `runs show` says of a run's health. */
export function healthFacts(health: RunHealth | undefined): [string, string][] {
  if (!health) return [];
  const { collapsedStep, collapsed, warnings } = health;
  const expected = expectedLine(health);
  return [
    ...(expected === '' ? [] : [['expected', expected] as [string, string]]),
    ...(collapsedStep === 0n
      ? []
      : [['collapsed', `at step ${collapsedStep}${collapsed ? '' : ', and recovered'}`] as [string, string]]),
    ...warnings.map((warning): [string, string] => ['warning', warning]),
  ];
}

/** A replayed step as --json shows it: what is not finite as text, since JSON has no NaN. */
export function replayRecord(replayed: ReplayFailedStepResponse) {
  const plain = (value: number) => (Number.isFinite(value) ? value : String(value));
  const { loss, gradientNorm, runLoss, runGradientNorm, terms } = replayed;
  return {
    ...replayed,
    loss: plain(loss),
    gradientNorm: plain(gradientNorm),
    runLoss: plain(runLoss),
    runGradientNorm: plain(runGradientNorm),
    terms: Object.fromEntries(terms.map(({ name, value }) => [name, plain(value)])),
  };
}

/** A replayed step in words. */
export function replayFacts(replayed: ReplayFailedStepResponse): string {
  const { loss, gradientNorm, runLoss, runGradientNorm, terms, images } = replayed;
  return facts([
    ['failed step', replayed.failedStep],
    ['step', `${replayed.step}, ${images.length} images: ${shortList(images)}`],
    ['loss', `${significant(loss)}, in the run ${significant(runLoss)}`],
    ...terms.map(({ name, value }): [string, string] => [`  ${name}`, significant(value)]),
    ['gradient norm', `${significant(gradientNorm)}, in the run ${significant(runGradientNorm)}`],
    ['comes from', origin(replayed)],
    ['gradients', gradients(replayed)],
  ]);
}

function origin({ input, parameter, op }: ReplayFailedStepResponse): string {
  if (input !== '') return `the batch: ${input} is not finite`;
  if (parameter !== '') return `the weights before the step: ${parameter} is not finite`;
  if (!op) return 'nowhere: computed again, every value is finite';
  const near = op.near === '' ? '' : `, after ${op.near} was read`;
  return `${op.op} [${op.outputShape.join(', ')}] in the ${op.backward ? 'backward' : 'forward'} pass${near}`;
}

function gradients({ gradientOf, badGradients, parameters }: ReplayFailedStepResponse): string {
  if (badGradients === 0) return `all ${parameters} finite`;
  return `${badGradients} of ${parameters} not finite; the backward pass meets ${gradientOf} first`;
}

function shortList(images: readonly string[]): string {
  const shown = images.slice(0, 4).map(short).join(', ');
  return images.length > 4 ? `${shown}, …` : shown;
}

const significant = (value: number) => String(Number(value.toPrecision(4)));
