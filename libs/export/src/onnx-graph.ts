import { create } from '@bufbuild/protobuf';
import { MedformerError } from '@medformer/schema';
import { DATA_TYPES, type GraphNode, nodeOf, type TensorSpec, type TensorValue } from '@medformer/tensorflow';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { BATCH, type ExportGraph, intsOf, type Port } from './graph.js';

/** An attribute of an ONNX op: integers unless it is a string. */
export type OnnxAttribute = number | readonly number[] | string;

/** TensorFlow nodes in, ONNX nodes out. Images stand channels last, as in TensorFlow. */
export class OnnxGraph {
  readonly nodes: NodeProto[] = [];
  readonly initializers = new Map<string, TensorProto>();
  private readonly constants = new Map<string, TensorValue>();
  /** TensorFlow's `node:output` to the ONNX value. */
  private readonly values = new Map<string, string>();
  private made = 0;

  constructor(private readonly graph: ExportGraph) {
    for (const { name, tensor } of graph.inputs) this.values.set(tensor, name);
  }

  /** Constants are kept until something reads them. */
  hold(tensor: string, value: TensorValue): void {
    this.constants.set(tensor, value);
  }

  /** The ONNX value that a tensor of the graph has become. */
  set(tensor: string, value: string): void {
    this.values.set(tensor, value);
  }

  /** The ONNX value of a tensor; a constant becomes an initialiser when it is first read. */
  read(tensor: string): string {
    const known = this.values.get(tensor);
    if (known) return known;
    const constant = this.constant(tensor);
    if (!constant) throw new MedformerError('INTERNAL', `export: ${tensor} is read before it is computed`);
    const name = this.initializer(nodeOf(tensor), constant);
    this.values.set(tensor, name);
    return name;
  }

  constant(tensor: string): TensorValue | undefined {
    return this.constants.get(tensor);
  }

  spec(tensor: string): TensorSpec {
    const spec = this.graph.tensors.get(tensor);
    if (!spec) throw new MedformerError('INTERNAL', `export: ${tensor} has no shape`);
    return spec;
  }

  /** Keeps a value under this name. */
  initializer(name: string, { dtype, shape, content }: TensorValue): string {
    const dims = shape.map(BigInt);
    const dataType = onnxType(dtype);
    const made = create(TensorProtoSchema, { name, dims, dataType, rawData: Uint8Array.from(content) });
    this.initializers.set(name, made);
    return name;
  }

  /** Appends a node with one output and gives the output's name. */
  emit(
    opType: string,
    input: string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output = `${opType.toLowerCase()}${this.made++}`,
  ): string {
    const attribute = Object.entries(attributes).map(([name, value]) => onnxAttribute(name, value));
    this.nodes.push(create(NodeProtoSchema, { name: output, opType, input, output: [output], attribute }));
    return output;
  }

  /** A vector of int64 as an initialiser. */
  int64s(values: readonly number[]): string {
    const content = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    return this.initializer(`ints${this.made++}`, {
      dtype: DATA_TYPES.int64,
      shape: [values.length],
      content,
    });
  }

  valueInfo({ name, tensor }: Port): ValueInfoProto {
    const { dtype, shape } = this.spec(tensor);
    const dim = shape.map((size) => ({
      value:
        size === BATCH
          ? ({ case: 'dimParam', value: 'batch' } as const)
          : ({ case: 'dimValue', value: BigInt(size) } as const),
    }));
    return create(ValueInfoProtoSchema, {
      name,
      type: { value: { case: 'tensorType', value: { elemType: onnxType(dtype), shape: { dim } } } },
    });
  }
}

/** What a converter sees of the TensorFlow node it converts. */
export class OnnxNode {
  constructor(
    readonly graph: OnnxGraph,
    private readonly node: GraphNode,
  ) {}

  get inputs(): string[] {
    return this.node.inputs.map((tensor) => this.graph.read(tensor));
  }

  get inputCount(): number {
    return this.node.inputs.length;
  }

  input(index: number): string {
    return this.graph.read(this.node.inputs[index]!);
  }

  shape(index: number): readonly number[] {
    return this.graph.spec(this.node.inputs[index]!).shape;
  }

  /** The elements of an input that must be a constant of int32. */
  ints(index: number): number[] {
    const constant = this.graph.constant(this.node.inputs[index]!);
    if (!constant) throw unsupported(`${this.describe()} with a computed input ${index}`);
    return intsOf(constant);
  }

  /** An input of int32, constant or computed, as ONNX's int64. */
  int64s(index: number): string {
    const constant = this.graph.constant(this.node.inputs[index]!);
    if (constant) return this.graph.int64s(intsOf(constant));
    return this.emit('Cast', [this.input(index)], { to: TensorProto_DataType.INT64 });
  }

  /** The value of an input that is a constant, and its name. */
  constant(index: number): { name: string; value: TensorValue } | undefined {
    const tensor = this.node.inputs[index]!;
    const value = this.graph.constant(tensor);
    return value && { name: nodeOf(tensor), value };
  }

  attribute(name: string): unknown {
    return this.node.attributes[name]?.value;
  }

  /** @throws MedformerError UNIMPLEMENTED when the attribute is there with another value */
  require(name: string, expected: string | boolean): void {
    const found = this.attribute(name);
    if (found === undefined || found === expected) return;
    throw unsupported(`${this.describe()} with ${name} ${JSON.stringify(found)}`);
  }

  emit(op: string, inputs: string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    return this.graph.emit(op, inputs, attributes);
  }

  private describe(): string {
    return `TensorFlow op ${this.node.op} (${this.node.name})`;
  }
}

/** A TF_DataType as ONNX's; most have other numbers there. */
export function onnxType(dtype: number): TensorProto_DataType {
  const type = new Map<number, TensorProto_DataType>([
    [DATA_TYPES.float32, TensorProto_DataType.FLOAT],
    [DATA_TYPES.int32, TensorProto_DataType.INT32],
    [DATA_TYPES.int64, TensorProto_DataType.INT64],
    [DATA_TYPES.bool, TensorProto_DataType.BOOL],
  ]).get(dtype);
  if (type === undefined) throw unsupported(`TF_DataType ${dtype}`);
  return type;
}

function onnxAttribute(name: string, value: OnnxAttribute): AttributeProto {
  if (typeof value === 'string') {
    const type = AttributeProto_AttributeType.STRING;
    return create(AttributeProtoSchema, { name, type, s: Uint8Array.from(Buffer.from(value)) });
  }
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  }
  const type = AttributeProto_AttributeType.INTS;
  return create(AttributeProtoSchema, { name, type, ints: value.map(BigInt) });
}

export const unsupported = (what: string): MedformerError =>
  new MedformerError('UNIMPLEMENTED', `export: ${what} has no ONNX conversion`);
