import type { Parameters } from '@medformer/medformer';
import { tf } from '@medformer/tensorflow';

/** x W + b over the last axis, starting at 0 whatever x is: [..., from] -> [..., to]. */
export function zeroDense(parameters: Parameters, at: string, x: tf.Tensor, to: number): tf.Tensor {
  const from = x.shape[x.shape.length - 1]!;
  const weight = parameters.get(`${at}/weight`, [from, to], 'zeros');
  const bias = parameters.get(`${at}/bias`, [to], 'zeros');
  const rows = tf.add(tf.matMul(tf.reshape(x, [-1, from]) as tf.Tensor2D, weight as tf.Tensor2D), bias);
  return tf.reshape(rows, [...x.shape.slice(0, -1), to]);
}
