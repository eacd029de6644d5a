import type { TaskHead } from '@medformer/medformer';
import type { ImageRecord } from '@medformer/schema';

/**
 * What is known of each image, [images, classes]: 1 at its class, or the probability of each class where it is a mixture,
 * zeros without a label. Of a multi-label task 0, 1 or a probability for each label, -1 without one.
 */
export function labelRows(
  { task, kind, classes }: TaskHead,
  records: readonly Pick<ImageRecord, 'labels' | 'mixtures'>[],
): Float32Array {
  const rows = new Float32Array(records.length * classes);
  records.forEach(({ labels, mixtures }, at) => {
    const row = rows.subarray(at * classes, (at + 1) * classes);
    const known = mixtures?.[task] ?? labels[task];
    if (typeof known === 'number') row[known] = 1;
    else if (known) row.set(known);
    else if (kind === 'multi-label') row.fill(-1);
  });
  return rows;
}
