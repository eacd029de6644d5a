import { drawLabelled } from '@medformer/evaluators';
import { type LabelSpace, type MethodSpec, Rng } from '@medformer/schema';
import { type TrainingGroup, takeImages } from '@medformer/ssl';

/**
 * The groups reduced to the few labelled images that a supervised run may see. The draw's key is the one that
 * evaluation uses, so that a linear probe with the same seed learns from the same images.
 */
export function labelledSubset(
  groups: TrainingGroup[],
  { task, labelsPerClass, labelSeed }: Extract<MethodSpec, { name: 'supervised' }>,
  space: LabelSpace,
): TrainingGroup[] {
  if (labelsPerClass === undefined) return groups;
  const labels = groups.flatMap(({ records }) => records.map((record) => record.labels[task] as number));
  const drawn = drawLabelled(labels, space.classes, labelsPerClass, Rng.of('labelled', task, labelSeed));
  let first = 0;
  return groups.flatMap((group) => {
    const begin = first;
    first += group.records.length;
    const positions = drawn.filter((at) => at >= begin && at < first).map((at) => at - begin);
    return positions.length > 0 ? [takeImages(group, positions)] : [];
  });
}
