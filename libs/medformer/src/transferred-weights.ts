import type { CheckpointRecord, StoredTensor } from '@medformer/schema';
import { type CodeKeys, codeRows, SHARED_CODE } from './latent-codes.js';

/** What belongs to a training method or to one task stays behind. */
const OWN = ['method/', 'output/heads/', 'output/task-queries/'];

/**
 * What a model with other codes takes over from a checkpoint: input Adaptformer, body and the shared output end.
 * Codes go by name, not by row; a key that the checkpoint has no code for starts from its shared code.
 */
export function transferredWeights(
  { codes: trained }: Pick<CheckpointRecord, 'codes'>,
  weights: ReadonlyMap<string, StoredTensor>,
  codes: CodeKeys,
): Map<string, StoredTensor> {
  const transferred = new Map([...weights].filter(([name]) => !OWN.some((own) => name.startsWith(own))));
  for (const [table, from, to] of [
    ['input/modality-codes', trained.modalities, codes.modalities],
    ['input/body-part-codes', trained.bodyParts, codes.bodyParts],
  ] as const) {
    const stored = transferred.get(table);
    if (stored) transferred.set(table, takeRows(stored, [SHARED_CODE, ...codeRows(from, to).rows]));
  }
  return transferred;
}

function takeRows({ dtype, shape, data }: StoredTensor, rows: number[]): StoredTensor {
  const width = shape[1]!;
  const taken = new Float32Array(rows.length * width);
  for (const [to, from] of rows.entries())
    taken.set(data.subarray(from * width, (from + 1) * width), to * width);
  return { dtype, shape: [rows.length, width], data: taken };
}
