/**
 * Matrix products and convolutions whose factors may be rounded to bfloat16. They are summed in float32 and give float32;
 * only products gain: TensorFlow's elementwise kernels take twice as long in bfloat16 as in float32.
 */
import {
  NATIVE_BACKEND_NAME,
  type NativeBackend,
  nativeBackend,
  type OpAttribute,
} from './native-backend.js';
import { tf } from './tf.js';

/** What the factors of a model's large products are rounded to. `mixed-bfloat16` needs native TensorFlow. */
export type Precision = 'float32' | 'mixed-bfloat16';

/** x W: [N, from], [from, to] -> [N, to], its gradient written out. Native TensorFlow only. */
export function product(x: tf.Tensor, weight: tf.Tensor, precision: Precision = 'float32'): tf.Tensor {
  const as = factorType(precision);
  const op = tf.customGrad((...given: unknown[]) => {
    const [rows, w, save] = given as [tf.Tensor, tf.Tensor, (tensors: tf.Tensor[]) => void];
    const [rowsAs, wAs] = [as.factor(rows), as.factor(w)];
    save([rowsAs, wAs]);
    return {
      value: as.result(matMul(as, rowsAs, wAs)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const dyAs = as.factor(dy);
        return [
          as.result(matMul(as, dyAs, saved[1]!, false, true)),
          as.result(matMul(as, saved[0]!, dyAs, true, false)),
        ];
      },
    };
  });
  return op(x, weight);
}

/** Convolution of stride 2, padded: [B, ...spatial, C], [...kernel, C, to] -> [B, ...ceil(spatial / 2), to], of 2 or 3 axes. */
export function halvingConvolution(
  x: tf.Tensor,
  weight: tf.Tensor,
  precision: Precision = 'float32',
): tf.Tensor {
  const axes = x.shape.length - 2;
  if (precision === 'float32' || tf.engine().backendName !== NATIVE_BACKEND_NAME) {
    return axes === 3
      ? tf.conv3d(x as tf.Tensor5D, weight as tf.Tensor5D, 2, 'same')
      : tf.conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, 2, 'same');
  }
  const as = factorType(precision);
  const op = tf.customGrad((...given: unknown[]) => {
    const [images, w, save] = given as [tf.Tensor, tf.Tensor, (tensors: tf.Tensor[]) => void];
    const [imagesAs, wAs] = [as.factor(images), as.factor(w)];
    const shapes = [images, w].map(({ shape }) => tf.tensor1d(shape, 'int32'));
    save([imagesAs, wAs, ...shapes]);
    return {
      value: as.result(convolve(as, axes, [imagesAs, wAs])),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [imagesAs, wAs, imagesShape, wShape] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const dyAs = as.factor(dy);
        return [
          as.result(convolve(as, axes, [imagesShape, wAs, dyAs], 'BackpropInput')),
          as.result(convolve(as, axes, [imagesAs, wShape, dyAs], 'BackpropFilter')),
        ];
      },
    };
  });
  return op(x, weight);
}

/** How a product's factors and result are kept. */
interface FactorType {
  backend: NativeBackend;
  /** A TF_DataType. */
  dtype: number;
  factor(x: tf.Tensor): tf.Tensor;
  result(x: tf.Tensor): tf.Tensor;
}

function factorType(precision: Precision): FactorType {
  const backend = nativeBackend();
  const { TF_FLOAT: float, TF_ATTR_BOOL: bool } = backend.binding;
  if (precision === 'float32') return { backend, dtype: float, factor: (x) => x, result: (x) => x };
  const cast = (x: tf.Tensor, from: number, to: number) =>
    execute(
      backend,
      'Cast',
      [x],
      [
        typed(backend, 'SrcT', from),
        typed(backend, 'DstT', to),
        { name: 'Truncate', type: bool, value: false },
      ],
    );
  return {
    backend,
    dtype: BFLOAT16,
    factor: (x) => cast(x, float, BFLOAT16),
    result: (x) => cast(x, BFLOAT16, float),
  };
}

/** The number of TF_DataType. */
export const BFLOAT16 = 14;

/**
 * Runs an op. tfjs has no name for bfloat16: such a tensor calls itself float32, and nothing but the ops of this file may
 * read it.
 */
function execute(
  backend: NativeBackend,
  op: string,
  inputs: tf.Tensor[],
  attributes: OpAttribute[],
): tf.Tensor {
  const [made] = backend.binding.executeOp(op, attributes, backend.getInputTensorIds(inputs), 1);
  return backend.createOutputTensor({ ...made!, dtype: backend.binding.TF_FLOAT });
}

function matMul(
  { backend, dtype }: FactorType,
  a: tf.Tensor,
  b: tf.Tensor,
  transposeA = false,
  transposeB = false,
): tf.Tensor {
  const { TF_ATTR_BOOL: type } = backend.binding;
  return execute(
    backend,
    'MatMul',
    [a, b],
    [
      { name: 'transpose_a', type, value: transposeA },
      { name: 'transpose_b', type, value: transposeB },
      typed(backend, 'T', dtype),
    ],
  );
}

/** Conv2D and Conv3D and their gradients, which differ between the two in name alone. */
function convolve(
  { backend, dtype }: FactorType,
  axes: number,
  inputs: tf.Tensor[],
  gradient: '' | 'BackpropInput' | 'BackpropFilter' = '',
): tf.Tensor {
  const { TF_ATTR_INT, TF_ATTR_STRING, TF_INT32 } = backend.binding;
  const volumes = axes === 3;
  const name = `Conv${axes}D${gradient}${gradient && volumes ? 'V2' : ''}`;
  return execute(backend, name, inputs, [
    typed(backend, 'T', dtype),
    { name: 'strides', type: TF_ATTR_INT, value: [1, ...Array<number>(axes).fill(2), 1] },
    { name: 'padding', type: TF_ATTR_STRING, value: 'SAME' },
    ...(volumes && gradient === 'BackpropInput' ? [typed(backend, 'Tshape', TF_INT32)] : []),
  ]);
}

const typed = ({ binding }: NativeBackend, name: string, value: number): OpAttribute => ({
  name,
  type: binding.TF_ATTR_TYPE,
  value,
});
