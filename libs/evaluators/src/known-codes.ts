import type { ImageRecord, RunSpec } from '@medformer/schema';
import type { TaskLabels } from './task-labels.js';

/** Which latent codes the model is told at evaluation. */
export interface KnownCodes {
  modality: boolean;
  bodyPart: boolean;
}

/**
 * A code is told where training told it more often than not, and never when it gives the label away: a code whose
 * every value occurs with one class only would score the metadata, not the pixels.
 * @param labels of the records, of the training split
 */
export function knownCodes(
  { codeDropout }: Pick<RunSpec, 'codeDropout'>,
  records: readonly ImageRecord[],
  labels: TaskLabels,
): KnownCodes {
  const keys = labelKeys(labels);
  const told = (withheld: number, key: 'modality' | 'bodyPart') =>
    withheld < 0.5 &&
    !decidesLabel(
      records.map((record) => record[key]),
      keys,
    );
  return {
    modality: told(codeDropout.modality, 'modality'),
    bodyPart: told(codeDropout.bodyPart, 'bodyPart'),
  };
}

/** The names to give to the model for these images; a key that is missing stands for the shared code. */
export function codeNames(
  known: KnownCodes,
  records: readonly ImageRecord[],
): { modality?: string[]; bodyPart?: string[] } {
  return {
    ...(known.modality ? { modality: records.map(({ modality }) => modality) } : {}),
    ...(known.bodyPart ? { bodyPart: records.map(({ bodyPart }) => bodyPart) } : {}),
  };
}

/** What has to be equal for two images to have the same label: the class, or all flags. */
function labelKeys(labels: TaskLabels): ArrayLike<number | string> {
  if (labels.kind !== 'multi-label') return labels.classes;
  const { rows, columns, data } = labels.flags;
  return Array.from({ length: rows }, (_, row) => data.subarray(row * columns, (row + 1) * columns).join());
}

function decidesLabel(values: string[], labels: ArrayLike<number | string>): boolean {
  const classOf = new Map<string, number | string>();
  for (const [image, value] of values.entries()) {
    if ((classOf.get(value) ?? labels[image]) !== labels[image]) return false;
    classOf.set(value, labels[image]!);
  }
  return classOf.size > 1;
}
