import { DATA_TYPES, type TensorValue } from '@medformer/tensorflow';
import { type OnnxNode, onnxType } from './onnx-graph.js';

/** Emits ONNX nodes for one TensorFlow node; gives the name of the value that stands for its output. */
type Converter = (node: OnnxNode) => string;

/** The TensorFlow ops that have a conversion, by name. */
export const CONVERTERS: Readonly<Record<string, Converter>> = {
  ...Object.fromEntries(
    Object.entries({
      Add: 'Add',
      AddV2: 'Add',
      Sub: 'Sub',
      Mul: 'Mul',
      RealDiv: 'Div',
      Maximum: 'Max',
      Minimum: 'Min',
      Pow: 'Pow',
      Abs: 'Abs',
      Neg: 'Neg',
      Exp: 'Exp',
      Log: 'Log',
      Sqrt: 'Sqrt',
      Erf: 'Erf',
      Tanh: 'Tanh',
      Sigmoid: 'Sigmoid',
      Relu: 'Relu',
      Softplus: 'Softplus',
      Sin: 'Sin',
      Cos: 'Cos',
    }).map(([from, to]): [string, Converter] => [from, (node) => node.emit(to, node.inputs)]),
  ),
  // Channels are the last axis here, as everywhere but in the convolutions.
  BiasAdd(node) {
    node.require('data_format', 'NHWC');
    return node.emit('Add', node.inputs);
  },
  Identity: (node) => node.input(0),
  Square: (node) => node.emit('Mul', [node.input(0), node.input(0)]),
  Rsqrt: (node) => node.emit('Reciprocal', [node.emit('Sqrt', [node.input(0)])]),
  SquaredDifference(node) {
    const difference = node.emit('Sub', node.inputs);
    return node.emit('Mul', [difference, difference]);
  },
  Cast: (node) => node.emit('Cast', [node.input(0)], { to: onnxType(node.attribute('DstT') as number) }),
  Softmax: (node) => node.emit('Softmax', [node.input(0)], { axis: -1 }),
  MatMul: (node) => matMul(node, 'transpose_a', 'transpose_b'),
  BatchMatMulV2: (node) => matMul(node, 'adj_x', 'adj_y'),
  Conv2D: convolution,
  Conv3D: convolution,
  Mean: (node) => node.emit('ReduceMean', [node.input(0)], { axes: node.ints(1), keepdims: keepsAxes(node) }),
  Max: (node) => node.emit('ReduceMax', [node.input(0)], { axes: node.ints(1), keepdims: keepsAxes(node) }),
  // Of the reductions only the sum takes its axes as an input in this opset.
  Sum: (node) => node.emit('ReduceSum', [node.input(0), node.int64s(1)], { keepdims: keepsAxes(node) }),
  Reshape: (node) => node.emit('Reshape', [node.input(0), node.int64s(1)]),
  ExpandDims: (node) => node.emit('Unsqueeze', [node.input(0), node.graph.int64s(node.ints(1))]),
  Transpose: (node) => node.emit('Transpose', [node.input(0)], { perm: node.ints(1) }),
  ConcatV2(node) {
    const last = node.inputCount - 1;
    const parts = Array.from({ length: last }, (_, index) => node.input(index));
    return node.emit('Concat', parts, { axis: node.ints(last)[0]! });
  },
  Tile: (node) => node.emit('Tile', [node.input(0), node.int64s(1)]),
  Slice(node) {
    const [begin, size] = [node.ints(1), node.ints(2)];
    const ends = begin.map((from, axis) => (size[axis] === -1 ? END : from + size[axis]!));
    const axes = [...begin.keys()];
    return node.emit('Slice', [node.input(0), ...[begin, ends, axes].map((ints) => node.graph.int64s(ints))]);
  },
  // ONNX's shape is of int64.
  Shape: (node) =>
    node.emit('Cast', [node.emit('Shape', [node.input(0)])], { to: onnxType(DATA_TYPES.int32) }),
};

/** Past the end of any axis. */
const END = 2 ** 31 - 1;

const keepsAxes = (node: OnnxNode): number => (node.attribute('keep_dims') ? 1 : 0);

/** The attributes say whether a side comes transposed. */
function matMul(node: OnnxNode, ...transposed: [string, string]): string {
  const sides = transposed.map((name, side) =>
    node.attribute(name) ? transposeLast(node, side) : node.input(side),
  );
  return node.emit('MatMul', sides);
}

function transposeLast(node: OnnxNode, input: number): string {
  const perm = [...node.shape(input).keys()];
  perm.push(...perm.splice(-2).reverse());
  return node.emit('Transpose', [node.input(input)], { perm });
}

/** Channels last and kernel [...spatial, in, out] to ONNX's channels first and [out, in, ...spatial], and back. */
function convolution(node: OnnxNode): string {
  const rank = node.shape(0).length;
  node.require('data_format', rank === 5 ? 'NDHWC' : 'NHWC');
  const spatial = Array.from({ length: rank - 2 }, (_, axis) => axis + 1);
  const kernel = spatial.map((axis) => node.shape(1)[axis - 1]!);
  const strides = spatial.map((axis) => (node.attribute('strides') as number[])[axis]!);
  const dilations = spatial.map((axis) => (node.attribute('dilations') as number[] | undefined)?.[axis] ?? 1);
  const pads =
    node.attribute('padding') === 'VALID'
      ? spatial.map(() => [0, 0])
      : samePads(node, kernel, strides, dilations);
  const convolved = node.emit(
    'Conv',
    [node.emit('Transpose', [node.input(0)], { perm: [0, rank - 1, ...spatial] }), kernelOf(node)],
    {
      kernel_shape: kernel,
      strides,
      dilations,
      pads: [...pads.map(([before]) => before!), ...pads.map(([, after]) => after!)],
    },
  );
  return node.emit('Transpose', [convolved], { perm: [0, ...spatial.map((axis) => axis + 1), 1] });
}

/** TensorFlow's SAME: as many outputs as ceil(size / stride), the odd pixel of padding after the image. */
function samePads(
  node: OnnxNode,
  kernel: number[],
  strides: number[],
  dilations: number[],
): [number, number][] {
  node.require('padding', 'SAME');
  return kernel.map((edge, axis) => {
    const size = node.shape(0)[axis + 1]!;
    const stride = strides[axis]!;
    const reach = (Math.ceil(size / stride) - 1) * stride + (edge - 1) * dilations[axis]! + 1;
    const pad = Math.max(0, reach - size);
    return [Math.floor(pad / 2), Math.ceil(pad / 2)];
  });
}

function kernelOf(node: OnnxNode): string {
  const rank = node.shape(1).length;
  const perm = [rank - 1, rank - 2, ...Array(rank - 2).keys()];
  const constant = node.constant(1);
  if (!constant) return node.emit('Transpose', [node.input(1)], { perm });
  return node.graph.initializer(`${constant.name}/channels-first`, channelsFirst(constant.value));
}

/** [...spatial, in, out] to [out, in, ...spatial]. */
function channelsFirst({ dtype, shape, content }: TensorValue): TensorValue {
  const [from, to] = shape.slice(-2) as [number, number];
  const places = content.length / 4 / from / to;
  const read = new Uint32Array(content.slice().buffer);
  const written = new Uint32Array(read.length);
  for (let place = 0; place < places; place += 1) {
    for (let channel = 0; channel < from; channel += 1) {
      for (let out = 0; out < to; out += 1) {
        written[(out * from + channel) * places + place] = read[(place * from + channel) * to + out]!;
      }
    }
  }
  return { dtype, shape: [to, from, ...shape.slice(0, -2)], content: new Uint8Array(written.buffer) };
}
