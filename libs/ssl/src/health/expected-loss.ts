import type { TaskHead } from '@medformer/medformer';
import { type ExpectedLoss, fusedWith, labelledTasks, type RunSpec } from '@medformer/schema';
import { methodOf } from '../methods/registry.js';
import type { TrainingGroup } from '../training-group.js';

/** What theory says of a run's loss, for the largest batch that the loss sees at once. */
export function expectedLossOf(
  spec: RunSpec,
  groups: readonly TrainingGroup[],
  heads: readonly TaskHead[],
): ExpectedLoss {
  const images = Math.max(...groups.map(({ records }) => records.length));
  const taken = Math.min(spec.batchSize, images);
  return expectedOfBatch(spec, taken + fusedWith(taken, spec.fusion), heads);
}

/** The same for a step of so many images. */
export function expectedOfBatch(spec: RunSpec, images: number, heads: readonly TaskHead[]): ExpectedLoss {
  const part = Math.floor(images / Math.min(spec.accumulate, images));
  const own = labelledTasks(spec.method).flatMap(({ task }) => heads.filter((head) => head.task === task));
  return methodOf(spec.method).expected(spec.method, part, own);
}

/** What is to be said of the first loss of random weights, where it is not where the method starts. */
export function warnOfStart(
  { method }: RunSpec,
  loss: number,
  { start, first }: ExpectedLoss,
): string | undefined {
  if (!first || (loss >= first.least && loss <= first.most)) return undefined;
  const near = start === undefined ? '' : `, near ${significant(start)}`;
  return `step 1: loss ${significant(loss)}, where ${method.name} with random weights starts between ${significant(first.least)} and ${significant(first.most)}${near}: look at the settings of the loss, the labels and the range of the pixels`;
}

const significant = (value: number) => String(Number(value.toPrecision(4)));
