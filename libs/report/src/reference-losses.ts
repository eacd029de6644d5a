import type { CheckpointRecord } from '@medformer/schema';

/** A loss that theory gives, drawn as a line so that a curve can be judged against it. */
export interface ReferenceLoss {
  value: number;
  label: string;
}

/** What the start is in closed form, and the floor where it is not simply the least possible. */
const NAMES: Record<CheckpointRecord['spec']['method']['name'], { start: string; floor?: string }> = {
  simclr: { start: 'no structure: ln(2N−1)' },
  'barlow-twins': { start: 'unrelated views', floor: 'independent features' },
  jigsaw: { start: 'equal odds: ln(permutations)' },
  mae: { start: 'nothing predicted, at most' },
  'image-gpt': { start: 'equal odds: ln(codes)' },
  consistency: { start: 'equal odds: ln(classes)' },
  supervised: { start: 'equal odds: ln(classes)' },
  'multi-task': { start: 'equal odds: ln(classes)' },
};

/**
 * The losses by which a training curve can be judged, as the run itself recorded them: what an untrained network starts
 * near, and the floor that no training passes. None for a run that recorded none.
 */
export function referenceLosses({ spec, expectedLoss }: CheckpointRecord): ReferenceLoss[] {
  const { start, floor } = expectedLoss ?? {};
  const names = NAMES[spec.method.name];
  return [
    ...(start === undefined ? [] : [{ value: start, label: names.start }]),
    ...(floor === undefined ? [] : [{ value: floor, label: names.floor ?? 'lowest possible' }]),
  ];
}
