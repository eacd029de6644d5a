import { effectiveRank, embeddingStd, type Matrix, type TaskLabels, takeRows } from '@medformer/evaluators';
import { mapEmbeddings } from '@medformer/report';
import { type EmbeddingMap, Rng } from '@medformer/schema';
import type { LabelledImages } from './labelled-images.js';

/** More points than this only make a map slower to draw and harder to read. */
const MOST_POINTS = 600;

/** The map of a checkpoint's test embeddings, of at most 600 images drawn by the same key for every checkpoint. */
export async function embeddingMapOf(
  label: string,
  checkpoint: string,
  embeddings: Matrix,
  { records, labels }: LabelledImages,
  signal: AbortSignal,
): Promise<EmbeddingMap> {
  const shown = [...Rng.of('embedding-map', 'images').permutation(records.length)]
    .slice(0, MOST_POINTS)
    .sort((x, y) => x - y);
  const { columns, data } = takeRows(embeddings, shown);
  const rows = shown.map((_, row) => data.subarray(row * columns, (row + 1) * columns));
  const placed = await mapEmbeddings(rows, Rng.of('embedding-map', 'layout'), signal);
  return {
    label,
    checkpoint,
    embeddings: {
      width: columns,
      std: embeddingStd(embeddings),
      effectiveRank: effectiveRank(embeddings),
    },
    points: placed.map((point, index) => ({
      ...point,
      ...classOf(labels, shown[index]!),
      modality: records[shown[index]!]!.modality,
    })),
  };
}

/** The class of an image, or the one label that it has; nothing where it has none or several. */
function classOf(labels: TaskLabels, image: number): { class?: number } {
  if (labels.kind !== 'multi-label') return { class: labels.classes[image]! };
  const { columns, data } = labels.flags;
  const flags = data.subarray(image * columns, (image + 1) * columns);
  const first = flags.indexOf(1);
  return first >= 0 && first === flags.lastIndexOf(1) ? { class: first } : {};
}
