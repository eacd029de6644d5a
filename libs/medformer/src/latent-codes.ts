import { tf } from '@medformer/tensorflow';
import type { Parameters } from './parameters.js';

/** Row 0 of every code table: what an unknown or withheld key uses. */
export const SHARED_CODE = 0;

/** The keys that have a trained code of their own, in table order after the shared code. */
export interface CodeKeys {
  modalities: string[];
  bodyParts: string[];
  tasks: string[];
}

/** Rows of the code table for these names; unknown names get the shared code and are listed in `unknown`. */
export function codeRows(keys: string[], names: string[]): { rows: Int32Array; unknown: string[] } {
  const rows = Int32Array.from(names, (name) => keys.indexOf(name) + 1);
  const unknown = [...new Set(names.filter((_, index) => rows[index] === SHARED_CODE))];
  return { rows, unknown };
}

/** Rows as one-hot float32 [B, depth]; any depth from 1, which tf.oneHot does not take. A negative row is all zeros. */
export function oneHotRows(rows: ArrayLike<number>, depth: number): tf.Tensor2D {
  const values = new Float32Array(rows.length * depth);
  for (let index = 0; index < rows.length; index += 1) {
    if (rows[index]! >= 0) values[index * depth + rows[index]!] = 1;
  }
  return tf.tensor2d(values, [rows.length, depth]);
}

/** Codes by row: one-hot [B, 1 + keys] -> [B, D]. */
export function latentCodes(
  parameters: Parameters,
  table: 'modality-codes' | 'body-part-codes',
  oneHot: tf.Tensor,
  width: number,
): tf.Tensor {
  const codes = parameters.get(`input/${table}`, [oneHot.shape[1]!, width], { normal: 0.02 });
  return tf.matMul(oneHot as tf.Tensor2D, codes as tf.Tensor2D);
}
