import { drawTaskLabelled, labelledDraw, taskLabelsOf } from '@medformer/evaluators';
import {
  drawsLabels,
  type ImageRecord,
  type LabelDraw,
  type LabelledTaskSpec,
  type LabelSpace,
} from '@medformer/schema';
import { type TrainingGroup, takeImages } from '@medformer/ssl';

/** Which labels may be used: those of a task, or few of them. */
type LabelledDraw = Pick<LabelledTaskSpec, 'task' | 'labelSeed'> & LabelDraw;

/**
 * The groups reduced to the images that carry a label for the task, or to the few of them that the run may see. The
 * draw's key is the one that evaluation uses, so that a linear probe with the same seed learns from the same images.
 */
export function labelledSubset(
  groups: TrainingGroup[],
  method: LabelledDraw,
  space: LabelSpace,
): TrainingGroup[] {
  const taken = labelledPlaces(groups, method, space);
  return groups.flatMap((group, at) => {
    const positions = taken[at]!;
    if (positions.length === group.records.length) return [group];
    return positions.length > 0 ? [takeImages(group, positions)] : [];
  });
}

/**
 * All images, of which only those that `labelledSubset` would keep still carry a label for the task: what a
 * semi-supervised run may know.
 */
export function withOtherLabelsHidden(
  groups: TrainingGroup[],
  method: LabelledDraw,
  space: LabelSpace,
): TrainingGroup[] {
  const shown = labelledPlaces(groups, method, space).map((positions) => new Set(positions));
  return groups.map((group, at) => ({
    ...group,
    records: group.records.map((record, position) => {
      if (shown[at]!.has(position)) return record;
      const { [method.task]: _, ...labels } = record.labels;
      const { [method.task]: __, ...mixtures } = record.mixtures ?? {};
      return { ...record, labels, ...(record.mixtures ? { mixtures } : {}) };
    }),
  }));
}

/**
 * Positions of the images whose label the run may see, per group. Fusions are never of the few: what they tell is the
 * labels of others.
 */
function labelledPlaces(groups: TrainingGroup[], method: LabelledDraw, space: LabelSpace): number[][] {
  const { task, labelSeed } = method;
  const few = drawsLabels(method);
  const labelled = groups.flatMap(({ records }, group) =>
    records.flatMap((record, position) =>
      isLabelled(record, task, few) ? [{ group, position, record }] : [],
    ),
  );
  const taken = few
    ? drawTaskLabelled(
        taskLabelsOf(
          labelled.map(({ record }) => record),
          space,
        ),
        space.classes,
        method,
        labelledDraw(task, labelSeed),
      ).map((at) => labelled[at]!)
    : labelled;
  return groups.map((_, at) => taken.flatMap(({ group, position }) => (group === at ? [position] : [])));
}

function isLabelled({ labels, mixtures, fusion }: ImageRecord, task: string, few: boolean): boolean {
  if (few && fusion) return false;
  return labels[task] !== undefined || mixtures?.[task] !== undefined;
}
