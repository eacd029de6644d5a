import type { TrainingGroup } from './training-group.js';

/** Each group split into one per modality, in the order of first appearance. */
export function modalityGroups(groups: readonly TrainingGroup[]): TrainingGroup[] {
  return groups.flatMap((group) => {
    const positions = new Map<string, number[]>();
    for (const [position, { modality }] of group.records.entries()) {
      const own = positions.get(modality);
      if (own) own.push(position);
      else positions.set(modality, [position]);
    }
    return positions.size === 1 ? [group] : [...positions.values()].map((own) => takeImages(group, own));
  });
}

/** The images at these positions, copied. */
export function takeImages(
  { shape, pixels, records }: TrainingGroup,
  positions: readonly number[],
): TrainingGroup {
  const size = shape.reduce((product, edge) => product * edge, 1);
  const length = positions.length * size;
  const taken = pixels instanceof Uint8Array ? new Uint8Array(length) : new Uint16Array(length);
  for (const [to, from] of positions.entries())
    taken.set(pixels.subarray(from * size, (from + 1) * size), to * size);
  return { shape, pixels: taken, records: positions.map((position) => records[position]!) };
}
