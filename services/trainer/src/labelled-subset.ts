import { drawLabelled, labelledDraw } from '@medformer/evaluators';
import type { LabelSpace, MethodSpec } from '@medformer/schema';
import { type TrainingGroup, takeImages } from '@medformer/ssl';

/**
 * The groups reduced to the images that carry a label for the task, or to the few of them that the run may see. The
 * draw's key is the one that evaluation uses, so that a linear probe with the same seed learns from the same images.
 */
export function labelledSubset(
  groups: TrainingGroup[],
  { task, labelsPerClass, labelSeed }: Extract<MethodSpec, { name: 'supervised' }>,
  space: LabelSpace,
): TrainingGroup[] {
  const labelled = groups.flatMap(({ records }, group) =>
    records.flatMap(({ labels }, position) => {
      const label = labels[task];
      return typeof label === 'number' ? [{ group, position, label }] : [];
    }),
  );
  const taken =
    labelsPerClass === undefined
      ? labelled
      : drawLabelled(
          labelled.map(({ label }) => label),
          space.classes,
          labelsPerClass,
          labelledDraw(task, labelSeed),
        ).map((at) => labelled[at]!);
  return groups.flatMap((group, at) => {
    const positions = taken.flatMap((place) => (place.group === at ? [place.position] : []));
    if (positions.length === group.records.length) return [group];
    return positions.length > 0 ? [takeImages(group, positions)] : [];
  });
}
