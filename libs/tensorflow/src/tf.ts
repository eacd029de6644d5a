/**
 * TensorFlow.js as a value and as a namespace of types (`tf.Tensor`). Its ES modules carry extension-less imports that
 * Node refuses, so this is its UMD build; loading it loads no native library.
 */
import tf from '@tensorflow/tfjs';

export { tf };
