import { MedformerError } from '@medformer/schema';
import {
  DATA_TYPES,
  encodeNode,
  type GraphNode,
  nodeOf,
  type TensorSpec,
  type TensorValue,
} from '@medformer/tensorflow';
import { BATCH, constantOf, constNode, type ExportGraph, intsOf, intVector } from './graph.js';

/** One function at one batch size. */
export interface AtBatch {
  batch: number;
  graph: ExportGraph;
}

/**
 * One graph for every batch size, out of the same function at two: they differ in their constants alone, and each
 * constant that differs is one of
 * - a size in the shape of a Reshape or the size of a Slice, which becomes "what is left" (-1);
 * - rows that are the same for every image, which become one row, broadcast by its reader or else tiled.
 *
 * @throws MedformerError UNIMPLEMENTED naming the op that reads a constant of any other kind
 */
export function openBatch(one: AtBatch, other: AtBatch): ExportGraph {
  return new BatchOpener(one, other).open();
}

/** Ops whose inputs are broadcast against each other. */
const BROADCASTING = new Set([
  'Add',
  'AddV2',
  'Sub',
  'Mul',
  'RealDiv',
  'Maximum',
  'Minimum',
  'BatchMatMulV2',
]);

/** The number of images in the batch, [1] int32, where the graph needs it. */
const SIZE = 'batch/size';

interface Reader {
  node: GraphNode;
  input: number;
}

class BatchOpener {
  private readonly readers = new Map<string, Reader[]>();
  private readonly tensors = new Map<string, TensorSpec>();
  private readonly nodes: GraphNode[] = [];

  constructor(
    private readonly one: AtBatch,
    private readonly other: AtBatch,
  ) {
    for (const node of one.graph.nodes) {
      for (const [input, tensor] of node.inputs.entries()) {
        const known = this.readers.get(tensor);
        if (known) known.push({ node, input });
        else this.readers.set(tensor, [{ node, input }]);
      }
    }
  }

  open(): ExportGraph {
    const [nodes, others] = [this.one.graph.nodes, this.other.graph.nodes];
    if (nodes.length !== others.length) throw refuse('the model computes other ops for other batch sizes');
    for (const [tensor, spec] of this.one.graph.tensors) {
      const shape = this.openShape(spec.shape, this.other.graph.tensors.get(tensor)?.shape, tensor);
      this.tensors.set(tensor, { ...spec, shape });
    }
    for (const [index, node] of nodes.entries()) this.openNode(node, others[index]!);
    return { ...this.one.graph, nodes: this.nodes, tensors: this.tensors };
  }

  private openNode(node: GraphNode, other: GraphNode): void {
    const [value, otherValue] = [constantOf(node), constantOf(other)];
    if (value && otherValue && node.name === other.name) this.openConstant(node, value, otherValue);
    else if (node.op === 'Placeholder' && other.op === 'Placeholder') this.nodes.push(this.openInput(node));
    else if (Buffer.compare(encodeNode(node), encodeNode(other)) === 0) this.nodes.push(node);
    else throw refuse(`${node.op} becomes ${describe(other)} at another batch size`);
  }

  private openInput(node: GraphNode): GraphNode {
    const { shape } = this.tensors.get(`${node.name}:0`)!;
    return { ...node, attributes: { ...node.attributes, shape: { kind: 'shape', value: shape } } };
  }

  private openConstant(node: GraphNode, value: TensorValue, other: TensorValue): void {
    const tensor = `${node.name}:0`;
    const readers = this.readers.get(tensor) ?? [];
    if (agree(value, other)) {
      this.put(node);
      return;
    }
    const rest = this.rest(readers, value, other);
    if (rest) {
      this.put(constNode(node.name, rest));
      return;
    }
    const row = this.row(value, other);
    if (!row) throw refuse(`${readers[0] ? describe(readers[0].node) : 'the output'} reads ${node.name}`);
    if (row.shape[0] === 1 && readers.length > 0 && readers.every((reader) => this.broadcasts(reader))) {
      this.put(constNode(node.name, row));
    } else this.tile(node.name, row);
  }

  /** The target of a Reshape or the size of a Slice, with -1 for the one axis that grows with the batch. */
  private rest(readers: Reader[], value: TensorValue, other: TensorValue): TensorValue | undefined {
    const vectors = [value, other].every(
      ({ dtype, shape }) => dtype === DATA_TYPES.int32 && shape.length === 1,
    );
    const [reader, ...others] = readers;
    if (!vectors || !reader) return undefined;
    const sizes = intsOf(value);
    const grown = [...sizes.keys()].filter((axis) => sizes[axis] !== intsOf(other)[axis]);
    const takes = ({ node, input }: Reader) =>
      (node.op === 'Reshape' && input === 1) ||
      (node.op === 'Slice' && input === 2 && grown.every((axis) => this.takesWhole(node, sizes, axis)));
    if (!readers.every(takes)) return undefined;
    // A reshape's own -1 gives way to the size it stands for.
    const made = ({ node }: Reader) => this.tensors.get(`${node.name}:0`)!.shape;
    const target =
      reader.node.op === 'Reshape'
        ? made(reader)
        : sizes.map((size, axis) => (grown.includes(axis) ? -1 : size));
    const agreed = others.every(
      (each) => each.node.op === reader.node.op && made(each).join() === made(reader).join(),
    );
    const open = target.filter((size) => size === BATCH).length;
    return agreed && (open === 1 || reader.node.op === 'Slice') ? intVector(target) : undefined;
  }

  /** Whether a Slice takes the whole of this axis. */
  private takesWhole({ inputs }: GraphNode, sizes: number[], axis: number): boolean {
    return this.one.graph.tensors.get(inputs[0]!)?.shape[axis] === sizes[axis];
  }

  /** The rows of one image, if the constant repeats them for every image of the batch. */
  private row(value: TensorValue, other: TensorValue): TensorValue | undefined {
    const [rows, otherRows] = [value.shape[0], other.shape[0]];
    if (rows === undefined || otherRows === undefined || !this.isMultiple(rows, otherRows)) return undefined;
    const bytes = value.content.length / this.one.batch;
    const shape = [rows / this.one.batch, ...value.shape.slice(1)];
    const rowsOf = ({ content }: TensorValue): TensorValue[] =>
      Array.from({ length: content.length / bytes }, (_, index) => ({
        ...value,
        shape,
        content: content.subarray(index * bytes, (index + 1) * bytes),
      }));
    const [row, ...repeated] = [...rowsOf(value), ...rowsOf(other)];
    return repeated.every((each) => agree(row!, each)) ? row : undefined;
  }

  /** Whether this reader broadcasts a single row to the batch, which its other input has. */
  private broadcasts({ node, input }: Reader): boolean {
    if (!BROADCASTING.has(node.op)) return false;
    const { shape } = this.tensors.get(node.inputs[1 - input]!)!;
    const rank = this.tensors.get(node.inputs[input]!)!.shape.length;
    // The last two axes of a matrix product are not broadcast.
    return shape[0] === BATCH && shape.length === rank && (node.op !== 'BatchMatMulV2' || rank > 2);
  }

  /** The row once for every image of the batch. */
  private tile(name: string, row: TensorValue): void {
    const int32 = { kind: 'type', value: DATA_TYPES.int32 } as const;
    if (!this.tensors.has(`${SIZE}:0`)) {
      const pixels = this.one.graph.inputs[0]!.tensor;
      const { dtype, shape } = this.tensors.get(pixels)!;
      this.put(
        {
          name: 'batch/shape',
          op: 'Shape',
          inputs: [pixels],
          attributes: { T: { kind: 'type', value: dtype }, out_type: int32 },
        },
        { dtype: DATA_TYPES.int32, shape: [shape.length] },
      );
      this.put(constNode('batch/begin', intVector([0])));
      this.put(constNode('batch/count', intVector([1])));
      this.put(
        {
          name: SIZE,
          op: 'Slice',
          inputs: ['batch/shape:0', 'batch/begin:0', 'batch/count:0'],
          attributes: { T: int32, Index: int32 },
        },
        { dtype: DATA_TYPES.int32, shape: [1] },
      );
      this.put(constNode('batch/axis', { ...intVector([0]), shape: [] }));
    }
    const rank = row.shape.length;
    this.put(constNode(`${name}/row`, row));
    this.put(constNode(`${name}/once`, intVector(Array<number>(rank - 1).fill(1))));
    this.put(
      {
        name: `${name}/times`,
        op: 'ConcatV2',
        inputs: [`${SIZE}:0`, `${name}/once:0`, 'batch/axis:0'],
        attributes: { N: { kind: 'int', value: 2 }, T: int32, Tidx: int32 },
      },
      { dtype: DATA_TYPES.int32, shape: [rank] },
    );
    this.put(
      {
        name,
        op: 'Tile',
        inputs: [`${name}/row:0`, `${name}/times:0`],
        attributes: { T: { kind: 'type', value: row.dtype }, Tmultiples: int32 },
      },
      { dtype: row.dtype, shape: [BATCH, ...row.shape.slice(1)] },
    );
  }

  private put(node: GraphNode, spec: TensorSpec = constantOf(node)!): void {
    this.nodes.push(node);
    this.tensors.set(`${node.name}:0`, { dtype: spec.dtype, shape: spec.shape });
  }

  private openShape(
    shape: readonly number[],
    other: readonly number[] | undefined,
    tensor: string,
  ): number[] {
    if (shape.length !== other?.length)
      throw refuse(`${nodeOf(tensor)} has another rank at another batch size`);
    return shape.map((size, axis) => {
      if (size === other[axis]) return size;
      if (this.isMultiple(size, other[axis]!)) return BATCH;
      throw refuse(`axis ${axis} of ${nodeOf(tensor)} is ${size} or ${other[axis]}`);
    });
  }

  /** Whether the two are the same multiple of their batches. */
  private isMultiple(size: number, other: number): boolean {
    return size % this.one.batch === 0 && size * this.other.batch === other * this.one.batch;
  }
}

/** Of the largest element: what products of other sizes differ by when they sum in another order. */
const ROUNDING = 1e-5;

/** Whether two constants are the same but for float32's rounding. */
function agree(one: TensorValue, other: TensorValue): boolean {
  if (one.dtype !== other.dtype || one.shape.join() !== other.shape.join()) return false;
  if (Buffer.compare(one.content, other.content) === 0) return true;
  if (one.dtype !== DATA_TYPES.float32) return false;
  const [values, others] = [one, other].map(({ content }) => new Float32Array(content.slice().buffer)) as [
    Float32Array,
    Float32Array,
  ];
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return values.every((value, index) => Math.abs(value - others[index]!) <= ROUNDING * largest);
}

const describe = ({ name, op }: GraphNode): string => `${op} (${name})`;

function refuse(what: string): MedformerError {
  return new MedformerError(
    'UNIMPLEMENTED',
    `export: the batch size cannot stay open: ${what}; name one to fix it`,
  );
}
