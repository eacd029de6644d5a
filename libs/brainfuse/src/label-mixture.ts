import type { ImageRecord, LabelSpace } from '@medformer/schema';

type Labels = ImageRecord['labels'];

/**
 * The labels of a fusion: of each task that all sources have a label of, the label where they agree, else the mixture:
 * each class's share of the voxels, or of a multi-label task the share of the voxels from images with that label.
 *
 * @param shares of the voxels, one per source; sum 1
 */
export function mixLabels(
  sources: readonly { labels: Labels }[],
  shares: readonly number[],
  spaces: readonly LabelSpace[],
): { labels: Labels; mixtures: Record<string, number[]> } {
  const labels: Labels = {};
  const mixtures: Record<string, number[]> = {};
  for (const { task, classes } of spaces) {
    const known = sources.map((source) => source.labels[task]);
    const [first] = known;
    if (first === undefined || known.includes(undefined)) continue;
    if (known.every((label) => String(label) === String(first))) {
      labels[task] = first;
      continue;
    }
    const mixture = classes.map(() => 0);
    known.forEach((label, source) => {
      const flags = Array.isArray(label) ? label : classes.map((_, at) => (at === label ? 1 : 0));
      for (const [at, flag] of flags.entries()) mixture[at]! += flag * shares[source]!;
    });
    mixtures[task] = mixture.map((share) => Math.min(1, share));
  }
  return { labels, mixtures };
}
