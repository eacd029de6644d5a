import type { Medformer, ModelInput } from '@medformer/medformer';
import type { MethodSpec, ViewPolicy } from '@medformer/schema';
import type { tf } from '@medformer/tensorflow';

/** What a method computes from one batch. */
export interface MethodLoss {
  loss: tf.Scalar;
  /** Embeddings of all views, [V * B, D], for the run's health. */
  h: tf.Tensor;
  /** Share of the batch that is predicted right, where the method predicts. */
  accuracy?: tf.Scalar;
}

/**
 * A pretext task or supervised training. Views of a batch stand behind each other: rows 0 to B - 1 are the first
 * view of each image, rows B to 2B - 1 the second.
 */
export interface Method<Spec extends MethodSpec = MethodSpec> {
  name: Spec['name'];
  /** One policy per view. */
  policies: readonly ViewPolicy[];
  /** @param labels one-hot [B, C] of supervised training, [B, 1] of nothing else */
  loss(spec: Spec, model: Medformer, input: ModelInput, labels: tf.Tensor): MethodLoss;
  /** The loss before anything is learnt and the least it can be, where a closed form is known. */
  expected(spec: Spec, batch: number, classes: number): { start?: number; floor?: number };
}
