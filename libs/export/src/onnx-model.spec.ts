import { Rng } from '@medformer/schema';
import {
  DATA_TYPES,
  type ForwardGraph,
  nativeBackend,
  recordForward,
  tf,
  useBackend,
} from '@medformer/tensorflow';
import ort from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { named } from './graph.js';
import { toOnnx } from './onnx-model.js';
import { openBatch } from './open-batch.js';
import { simplify } from './simplify.js';

beforeAll(async () => {
  await useBackend();
});

type Compute = (x: tf.Tensor) => tf.Tensor;

describe('a TensorFlow op becomes ONNX:', () => {
  const weight = (...shape: number[]) => pixels(shape, 'weight');
  it.each<[string, number[], Compute]>([
    ['Add', [2, 3], (x) => tf.add(x, 2)],
    ['AddV2', [2, 3], (x) => native('AddV2', [], [x, weight(2, 1)])],
    ['Sub', [2, 3], (x) => tf.sub(1, x)],
    ['Mul', [2, 3], (x) => tf.mul(x, weight(3))],
    ['RealDiv', [2, 3], (x) => tf.div(x, 3)],
    ['Maximum', [2, 3], (x) => tf.maximum(x, 0.5)],
    ['Minimum', [2, 3], (x) => tf.minimum(x, 0.5)],
    ['Pow', [2, 3], (x) => tf.pow(x, 2.5)],
    ['SquaredDifference', [2, 3], (x) => tf.squaredDifference(x, 2)],
    ['Abs', [2, 3], (x) => tf.abs(tf.sub(x, 0.5))],
    ['Neg', [2, 3], (x) => tf.neg(x)],
    ['Exp', [2, 3], (x) => tf.exp(x)],
    ['Log', [2, 3], (x) => tf.log(x)],
    ['Sqrt', [2, 3], (x) => tf.sqrt(x)],
    ['Rsqrt', [2, 3], (x) => tf.rsqrt(x)],
    ['Square', [2, 3], (x) => tf.square(x)],
    ['Erf', [2, 3], (x) => tf.erf(x)],
    ['Tanh', [2, 3], (x) => tf.tanh(x)],
    ['Sigmoid', [2, 3], (x) => tf.sigmoid(x)],
    ['Relu', [2, 3], (x) => tf.relu(tf.sub(x, 0.5))],
    ['Softplus', [2, 3], (x) => tf.softplus(tf.sub(x, 0.5))],
    ['Sin', [2, 3], (x) => tf.sin(x)],
    ['Cos', [2, 3], (x) => tf.cos(x)],
    ['Softmax', [2, 3, 4], (x) => tf.softmax(x)],
    ['BiasAdd', [2, 3], (x) => native('BiasAdd', [['data_format', 'string', 'NHWC']], [x, weight(3)])],
    ['MatMul', [2, 3], (x) => native('MatMul', matMulAttributes(false, true), [x, weight(4, 3)])],
    ['MatMul', [3, 2], (x) => native('MatMul', matMulAttributes(true, false), [x, weight(3, 4)])],
    ['BatchMatMulV2', [2, 3, 4], (x) => tf.matMul(x, weight(2, 4, 5))],
    ['BatchMatMulV2', [2, 3, 4], (x) => tf.matMul(x, weight(2, 3, 5), true, false)],
    ['BatchMatMulV2', [2, 3, 4], (x) => tf.matMul(x, weight(2, 6, 4), false, true)],
    ['Mean', [2, 3, 4], (x) => tf.mean(x, [1, 2])],
    ['Mean', [2, 3, 4], (x) => tf.mean(x, -1, true)],
    ['Sum', [2, 3, 4], (x) => tf.sum(x, [0, 1], true)],
    ['Max', [2, 3, 4], (x) => tf.max(x, 1)],
    ['Reshape', [2, 6], (x) => tf.reshape(x, [3, -1])],
    ['Transpose', [2, 3, 4], (x) => tf.transpose(x, [2, 0, 1])],
    ['ConcatV2', [2, 3], (x) => tf.concat([x, weight(2, 2), x], 1)],
    ['Tile', [2, 3], (x) => tf.tile(x, [2, 1])],
    ['Slice', [4, 5, 6], (x) => tf.slice(x, [1, 0, 2], [2, -1, 3])],
    [
      'ExpandDims',
      [2, 3],
      (x) => native('ExpandDims', [['Tdim', 'type', DATA_TYPES.int32]], [x, tf.scalar(1, 'int32')]),
    ],
  ])('%s of %j', async (op, shape, compute) => {
    const graph = recordForward(([x]) => [compute(x!)], [pixels(shape)]);
    expect(graph.nodes.map((node) => node.op)).toContain(op);
    await expectSame(toOnnx(named(graph, ['x'], ['y']), {}), compute, shape);
  });

  it.each([1, 2, 3].flatMap((stride) => ([5, 6, 7] as const).map((size) => [stride, size] as const)))(
    'convolutions of stride %i over %i pixels, 2D and 3D, in both paddings',
    async (stride, size) => {
      for (const padding of ['same', 'valid'] as const) {
        const flat: Compute = (x) =>
          tf.conv2d(x as tf.Tensor4D, weight(3, 2, 2, 4) as tf.Tensor4D, stride, padding);
        const deep: Compute = (x) =>
          tf.conv3d(x as tf.Tensor5D, weight(2, 3, 3, 2, 4) as tf.Tensor5D, stride, padding);
        for (const [shape, compute] of [
          [[2, size, size + 1, 2], flat],
          [[1, size, 5, size, 2], deep],
        ] as const) {
          const graph = recordForward(([x]) => [compute(x!)], [pixels([...shape])]);
          await expectSame(toOnnx(named(graph, ['x'], ['y']), {}), compute, [...shape]);
        }
      }
    },
  );

  it('a dilated convolution', async () => {
    const compute: Compute = (x) =>
      tf.conv2d(x as tf.Tensor4D, weight(3, 3, 1, 2) as tf.Tensor4D, 1, 'same', 'NHWC', 2);
    const graph = recordForward(([x]) => [compute(x!)], [pixels([1, 9, 8, 1])]);
    await expectSame(toOnnx(named(graph, ['x'], ['y']), {}), compute, [1, 9, 8, 1]);
  });

  it('or is refused by name', () => {
    const graph = recordForward(([x]) => [tf.cumsum(x!, 0)], [pixels([3])]);
    expect(() => toOnnx(named(graph, ['x'], ['y']), {})).toThrow(
      expect.objectContaining({
        code: 'UNIMPLEMENTED',
        message: expect.stringMatching(/^export: TensorFlow op Cumsum \(op\d+\) has no ONNX conversion$/),
      }),
    );
  });
});

describe('an open batch', () => {
  const row = () => pixels([1, 1, 4], 'row');
  it.each<[string, Compute]>([
    ['for what is the same for every image', (x) => tf.add(x, tf.tile(row(), [x.shape[0]!, 3, 1]))],
    [
      'for tokens put before those of the image',
      (x) => tf.concat([tf.tile(row(), [x.shape[0]!, 1, 1]), x], 1),
    ],
    ['for rows of all images in one matrix', (x) => tf.reshape(tf.mul(tf.reshape(x, [-1, 4]), 2), x.shape)],
    ['for a cut of all images', (x) => tf.slice(x, [0, 1, 0], [x.shape[0]!, 2, 4])],
    [
      'for images of several constant rows each',
      (x) => tf.concat([tf.reshape(x, [-1, 4]), tf.tile(pixels([2, 4], 'rows'), [x.shape[0]!, 1])], 0),
    ],
    [
      'for an attention by constant queries',
      (x) => tf.matMul(tf.tile(row(), [x.shape[0]!, 1, 1]), x, false, true),
    ],
  ])('is right %s', async (_, compute) => {
    const graph = simplify(openBatch(at(2, compute), at(3, compute)));
    const bytes = toOnnx(graph, {});
    for (const batch of [1, 2, 4, 7]) await expectSame(bytes, compute, [batch, 3, 4]);
  });

  it.each<[string, Compute, RegExp]>([
    ['a number that depends on it', (x) => tf.mul(x, 1 / x.shape[0]!), /Mul \(op0\) reads constant0/],
    [
      'other ops at other sizes',
      (x) => (x.shape[0] === 2 ? tf.exp(x) : tf.add(tf.exp(x), 1)),
      /computes other ops for other batch sizes/,
    ],
    ['an op of another kind', (x) => (x.shape[0] === 2 ? tf.exp(x) : tf.tanh(x)), /Exp becomes Tanh/],
    [
      'a part of the images',
      (x) => tf.slice(x, [0, 0, 0], [x.shape[0]! - 1, 3, 4]),
      /axis 0 of op0 is 1 or 2/,
    ],
    [
      'rows that differ from image to image',
      (x) => tf.add(x, pixels([x.shape[0]!, 1, 4], 'each')),
      /Add \(op0\) reads constant0; name one to fix it/,
    ],
  ])('is refused for %s', (_, compute, message) => {
    expect(() => openBatch(at(2, compute), at(3, compute))).toThrow(
      expect.objectContaining({ code: 'UNIMPLEMENTED', message: expect.stringMatching(message) }),
    );
  });
});

describe('a simpler graph', () => {
  it('computes the same, each thing once', async () => {
    const twice: Compute = (x) => {
      const branch = () =>
        tf.exp(tf.mul(tf.reshape(tf.reshape(tf.cast(x, 'float32'), [6]), [3, 2]), pixels([2])));
      return tf.add(branch(), tf.clone(branch()));
    };
    const graph = named(
      recordForward(([x]) => [twice(x!)], [pixels([2, 3])]),
      ['x'],
      ['y'],
    );
    const simple = simplify(graph);

    const count = (op: string) => simple.nodes.filter((node) => node.op === op).length;
    expect({ exp: count('Exp'), mul: count('Mul'), reshape: count('Reshape') }).toEqual({
      exp: 1,
      mul: 1,
      reshape: 1,
    });
    await expectSame(toOnnx(simple, {}), twice, [2, 3]);
  });
});

function at(batch: number, compute: Compute) {
  const graph: ForwardGraph = recordForward(([x]) => [compute(x!)], [pixels([batch, 3, 4])]);
  return { batch, graph: named(graph, ['x'], ['y']) };
}

async function expectSame(model: Uint8Array, compute: Compute, shape: number[]): Promise<void> {
  const session = await ort.InferenceSession.create(model);
  const x = pixels(shape);
  const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.from(x.dataSync()), shape) });
  const expected = compute(x);
  expect(y!.dims).toEqual(expected.shape);
  const values = expected.dataSync();
  for (const [index, value] of (y!.data as Float32Array).entries())
    expect(value).toBeCloseTo(values[index]!, 5);
}

/** Positive, the same for the same shape. */
function pixels(shape: number[], name = 'pixels'): tf.Tensor {
  const rng = Rng.of(1, name, shape.join());
  const values = Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, () => rng.uniform(0.1, 1));
  return tf.tensor(values, shape);
}

type Attribute = [name: string, kind: 'string' | 'bool' | 'type', value: unknown];

const matMulAttributes = (a: boolean, b: boolean): Attribute[] => [
  ['transpose_a', 'bool', a],
  ['transpose_b', 'bool', b],
];

/** An op that tfjs itself does not run. */
function native(op: string, attributes: Attribute[], inputs: tf.Tensor[]): tf.Tensor {
  const backend = nativeBackend();
  const { TF_ATTR_STRING, TF_ATTR_BOOL, TF_ATTR_TYPE } = backend.binding;
  const types = { string: TF_ATTR_STRING, bool: TF_ATTR_BOOL, type: TF_ATTR_TYPE };
  const all: Attribute[] = [...attributes, ['T', 'type', DATA_TYPES.float32]];
  return backend.executeSingleOutput(
    op,
    all.map(([name, kind, value]) => ({ name, type: types[kind], value })),
    inputs,
  );
}
