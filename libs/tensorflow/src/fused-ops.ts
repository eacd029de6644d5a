/**
 * Ops that TensorFlow has, or that need few passes over memory when their gradient is written out, and that tfjs would
 * compose of many. Each is equal to its composition up to rounding, which is also what runs without native TensorFlow.
 */
import {
  NATIVE_BACKEND_NAME,
  type NativeBackend,
  nativeBackend,
  type OpAttribute,
} from './native-backend.js';
import { type Precision, product } from './products.js';
import { tf } from './tf.js';

/**
 * x W + b: [N, from], [from, to], [to] -> [N, to]. In float32 TensorFlow fuses both to one kernel; the bias is float32
 * also where the product's factors are not.
 */
export function affine(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor,
  precision: Precision = 'float32',
): tf.Tensor {
  if (tf.engine().backendName !== NATIVE_BACKEND_NAME) {
    return tf.add(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D), bias);
  }
  return biasAdd(product(x, weight, precision), bias);
}

/** x + b over the last axis: [..., D], [D] -> [..., D]. */
export function biasAdd(x: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  // The native op takes at most 5 axes, which is all that images need.
  if (tf.engine().backendName !== NATIVE_BACKEND_NAME || x.shape.length > 5) return tf.add(x, bias);
  const op = tf.customGrad((...given: unknown[]) => {
    const [values, b] = given as [tf.Tensor, tf.Tensor];
    return {
      value: biased(values, b),
      gradFunc: (dy: tf.Tensor) => [dy, biasGradient(tf.reshape(dy, [-1, dy.shape.at(-1)!]))],
    };
  });
  return op(x, bias);
}

/** Rows of mean 0 and variance 1 over the last axis: (x - mean) / sqrt(var + epsilon), [..., D] -> [..., D]. */
export function standardiseRows(x: tf.Tensor, epsilon: number): tf.Tensor {
  const op = tf.customGrad((...given: unknown[]) => {
    const [values, save] = given as [tf.Tensor, (tensors: tf.Tensor[]) => void];
    const centred = tf.sub(values, tf.mean(values, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
    const normed = tf.mul(centred, inverse);
    save([normed, inverse]);
    return {
      value: normed,
      // dx = (dy - mean(dy) - y mean(dy y)) / std
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, scale] = saved as [tf.Tensor, tf.Tensor];
        const along = tf.mul(y, tf.mean(tf.mul(dy, y), -1, true));
        return tf.mul(scale, tf.sub(tf.sub(dy, tf.mean(dy, -1, true)), along));
      },
    };
  });
  return op(x);
}

/** t (1 + erf t), any shape: sqrt(2) GELU(sqrt(2) t), so that a layer before and one after can take up the factors. */
export function erfGate(t: tf.Tensor): tf.Tensor {
  const op = tf.customGrad((...given: unknown[]) => {
    const [values, save] = given as [tf.Tensor, (tensors: tf.Tensor[]) => void];
    const gate = tf.add(tf.erf(values), 1);
    save([values, gate]);
    return {
      value: tf.mul(values, gate),
      // 1 + erf t + t (2 / sqrt(pi)) exp(-t^2)
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [x, open] = saved as [tf.Tensor, tf.Tensor];
        const bell = tf.mul(tf.exp(tf.neg(tf.square(x))), 2 / Math.sqrt(Math.PI));
        return tf.mul(dy, tf.add(open, tf.mul(x, bell)));
      },
    };
  });
  return op(t);
}

function biased(x: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  const backend = nativeBackend();
  return backend.executeSingleOutput('BiasAdd', [float(backend), channelsLast(backend)], [x, bias]);
}

/** Sum over rows: [N, D] -> [D]. */
function biasGradient(dy: tf.Tensor): tf.Tensor {
  const backend = nativeBackend();
  return backend.executeSingleOutput('BiasAddGrad', [float(backend), channelsLast(backend)], [dy]);
}

const float = ({ binding }: NativeBackend): OpAttribute => ({
  name: 'T',
  type: binding.TF_ATTR_TYPE,
  value: binding.TF_FLOAT,
});

const channelsLast = ({ binding }: NativeBackend): OpAttribute => ({
  name: 'data_format',
  type: binding.TF_ATTR_STRING,
  value: 'NHWC',
});
