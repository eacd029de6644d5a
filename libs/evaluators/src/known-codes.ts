import type { ImageRecord, RunSpec } from '@medformer/schema';

/** Which latent codes the model is told at evaluation. */
export interface KnownCodes {
  modality: boolean;
  bodyPart: boolean;
}

/**
 * A code is told where training told it more often than not, and never when it gives the label away: a code whose
 * every value occurs with one class only would score the metadata, not the pixels.
 * @param labels class per record, of the training split
 */
export function knownCodes(
  { codeDropout }: Pick<RunSpec, 'codeDropout'>,
  records: readonly ImageRecord[],
  labels: ArrayLike<number>,
): KnownCodes {
  const told = (withheld: number, key: 'modality' | 'bodyPart') =>
    withheld < 0.5 &&
    !decidesLabel(
      records.map((record) => record[key]),
      labels,
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

function decidesLabel(values: string[], labels: ArrayLike<number>): boolean {
  const classOf = new Map<string, number>();
  for (const [image, value] of values.entries()) {
    if ((classOf.get(value) ?? labels[image]) !== labels[image]) return false;
    classOf.set(value, labels[image]!);
  }
  return classOf.size > 1;
}
