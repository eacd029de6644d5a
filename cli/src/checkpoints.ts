import type { KeptCheckpoint } from '@medformer/gen/trainer';
import { MedformerError } from '@medformer/schema';
import type { Context } from './context.js';
import { short, table } from './terminal.js';
import { getRun } from './training.js';

/** `run=ID`, `run=ID@best`, `run=ID@STEP`; what is nothing of the kind comes back as it is. */
export async function resolveCheckpoint(context: Context, reference: unknown): Promise<unknown> {
  if (typeof reference !== 'string' || !reference.startsWith('run=')) return reference;
  return checkpointOfRun(context, reference.slice('run='.length));
}

/**
 * The checkpoint that `ID` (the newest), `ID@best`, `ID@initial` or `ID@STEP` names.
 * @throws MedformerError NOT_FOUND naming the checkpoints there are; FAILED_PRECONDITION where there is none yet
 */
export async function checkpointOfRun(context: Context, reference: string): Promise<string> {
  const [id = '', which] = reference.split('@');
  const { run, checkpoints } = await getRun(context, id);
  if (run.checkpoint === '') {
    throw new MedformerError('FAILED_PRECONDITION', `run ${run.run} has no checkpoint yet`);
  }
  if (which === undefined) return run.checkpoint;
  const named = which === 'best' || which === 'initial';
  const found = checkpoints.find(
    ({ step, keptAs }) => String(step) === which || (named && keptAs.includes(which)),
  );
  if (found) return found.checkpoint;
  const known = checkpoints.map(({ step, keptAs }) =>
    [step, ...keptAs.filter((why) => why === 'best' || why === 'initial')].join('='),
  );
  throw new MedformerError(
    'NOT_FOUND',
    `run ${short(run.run)}: keeps no checkpoint ${which}; it has ${known.join(', ')}`,
  );
}

/** A run's checkpoints as --json shows them. */
export function checkpointRecords(checkpoints: readonly KeptCheckpoint[]) {
  return checkpoints.map((each) => ({ ...each, step: Number(each.step) }));
}

/** A run's checkpoints as a table; `metric` is what the best one is best by. */
export function checkpointTable(checkpoints: readonly KeptCheckpoint[], metric = 'loss'): string {
  const value = (number: number | undefined) => (number === undefined ? '' : number.toFixed(4));
  const online = metric !== 'loss';
  return table(
    ['step', 'checkpoint', 'kept as', 'loss', ...(online ? [metric] : [])],
    checkpoints.map(({ step, checkpoint, keptAs, loss, value: measured }) => [
      String(step),
      short(checkpoint),
      keptAs.join(', '),
      value(loss),
      ...(online ? [value(measured)] : []),
    ]),
  );
}
