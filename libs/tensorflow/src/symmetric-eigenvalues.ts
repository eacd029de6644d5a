import { nativeBackend } from './native-backend.js';
import type { tf } from './tf.js';

/**
 * Eigenvalues of a symmetric matrix, rising: [D, D] -> [D]. Without a gradient; the native backend only. A value that is
 * not finite makes TensorFlow fail: keep them out.
 */
export function symmetricEigenvalues(matrix: tf.Tensor): tf.Tensor1D {
  const backend = nativeBackend();
  const { binding } = backend;
  const [values, vectors] = backend.executeMultipleOutputs(
    'SelfAdjointEigV2',
    [
      { name: 'compute_v', type: binding.TF_ATTR_BOOL, value: false },
      { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    ],
    [matrix],
    2,
  );
  vectors!.dispose();
  return values as tf.Tensor1D;
}
