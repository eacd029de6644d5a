import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';
import { l2Normalise } from './nt-xent.js';
import { stopGradient } from './stop-gradient.js';

/** How far a prediction is from its target. */
export type ConsistencyDistance = 'mse' | 'kl';

/**
 * How far predictions are from target distributions, mean over the rows: the consistency cost of Mean Teacher
 * (Tarvainen and Valpola 2017, equation 1). `logits` are [B, C], `target` is any distribution over the classes [B, C]:
 * a teacher's softmax, or a mixture of several images' distributions. With p = softmax(logits) and q = target:
 *
 * - `mse`: the mean over the classes of (p - q)^2, as in the paper's code; at most 2 / C.
 *   Gradient by logit j: 2 / (B C) p_j ((p_j - q_j) - sum_k p_k (p_k - q_k)).
 * - `kl`: sum over the classes of q ln(q / p), without a bound. Gradient by logit j: (p_j - q_j) / B.
 *
 * 0 where p = q. No gradient flows into the target.
 */
export function consistency(
  logits: tf.Tensor,
  target: tf.Tensor,
  distance: ConsistencyDistance = 'mse',
  share = BatchShare.WHOLE,
): tf.Scalar {
  return tf.tidy(() => {
    const [rows, classes] = logits.shape as [number, number];
    const batch = share.rows(rows);
    const q = stopGradient(target);
    if (distance === 'mse') {
      return share.mean(tf.sum(tf.square(tf.sub(tf.softmax(logits), q))), batch * classes);
    }
    // q ln q is 0 at q = 0: the logarithm is kept finite there.
    const entropy = tf.sum(tf.mul(q, tf.log(tf.maximum(q, 1e-30))));
    return share.mean(tf.sub(entropy, tf.sum(tf.mul(q, tf.logSoftmax(logits)))), batch);
  });
}

/**
 * 1 - cosine of each embedding with its target, mean over the rows of [B, D]: in [0, 2], 0 where they point alike. No
 * gradient flows into the target.
 */
export function embeddingConsistency(h: tf.Tensor, target: tf.Tensor, share = BatchShare.WHOLE): tf.Scalar {
  return tf.tidy(() => {
    const cosines = tf.sum(tf.mul(l2Normalise(h), l2Normalise(stopGradient(target))), 1);
    return tf.sub(1, share.mean(tf.sum(cosines), share.rows(h.shape[0]!))) as tf.Scalar;
  });
}

/**
 * The weight's rise from exp(-5) to 1 over the first `rampSteps` steps, exp(-5 (1 - t / T)^2) (Laine and Aila 2017,
 * section 2.1): before the teacher knows anything, agreeing with it teaches nothing.
 * @param step counts from 1; the first step is t = 0
 */
export function rampUp(step: number, rampSteps: number): number {
  const progress = rampSteps > 0 ? Math.min(1, (step - 1) / rampSteps) : 1;
  return Math.exp(-5 * (1 - progress) ** 2);
}
