import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * Writes the few messages of a TensorFlow graph that a recorded step needs. Field numbers are those of
 * tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,versions}.proto, which are frozen by
 * TensorFlow's compatibility promise.
 */

/** A value of a node's attribute, named after the fields of AttrValue; an array is its ListValue. */
export type AttrValue =
  | { kind: 'string'; value: string | readonly string[] }
  | { kind: 'int'; value: number | readonly number[] }
  | { kind: 'float'; value: number | readonly number[] }
  | { kind: 'bool'; value: boolean | readonly boolean[] }
  | { kind: 'type'; value: number | readonly number[] }
  | { kind: 'shape'; value: readonly number[] }
  | { kind: 'tensor'; value: TensorValue };

/** The numbers of TF_DataType, which is also the proto's DataType. */
export const DATA_TYPES = { float32: 1, int32: 3, int64: 9, bool: 10 } as const;

/** Dense values in the machine's (little-endian) layout. */
export interface TensorValue {
  /** A TF_DataType. */
  dtype: number;
  shape: readonly number[];
  content: Uint8Array;
}

export interface GraphNode {
  name: string;
  op: string;
  /** `node:output` of earlier nodes. */
  inputs: readonly string[];
  attributes: Readonly<Record<string, AttrValue>>;
}

/** TensorFlow's graph version of 2.15: old enough for any library in use, new enough for today's defaults. */
const PRODUCER = 1500;

/** A serialised `tensorflow.GraphDef`. */
export function encodeGraphDef(nodes: Iterable<GraphNode>): Uint8Array {
  const writer = new BinaryWriter();
  for (const node of nodes) writer.tag(1, WireType.LengthDelimited).bytes(encodeNode(node)); // GraphDef.node
  writer.tag(4, WireType.LengthDelimited).fork(); // GraphDef.versions
  writer.tag(1, WireType.Varint).int32(PRODUCER).join(); // VersionDef.producer
  return writer.finish();
}

/** A serialised `tensorflow.NodeDef`: name 1, op 2, input 3, attr 5 (a map of string to AttrValue). */
export function encodeNode(node: GraphNode): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(node.name);
  writer.tag(2, WireType.LengthDelimited).string(node.op);
  for (const input of node.inputs) writer.tag(3, WireType.LengthDelimited).string(input);
  for (const [key, value] of Object.entries(node.attributes)) {
    writer.tag(5, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(key);
    writer.tag(2, WireType.LengthDelimited).fork();
    writeAttr(writer, value);
    writer.join().join();
  }
  return writer.finish();
}

/** AttrValue: list 1, s 2, i 3, f 4, b 5, type 6, shape 7, tensor 8. */
function writeAttr(writer: BinaryWriter, attr: AttrValue): void {
  if (attr.kind === 'shape') {
    writer.tag(7, WireType.LengthDelimited).fork();
    writeShape(writer, attr.value);
    writer.join();
  } else if (attr.kind === 'tensor') {
    writer.tag(8, WireType.LengthDelimited).fork();
    writeTensor(writer, attr.value);
    writer.join();
  } else if (Array.isArray(attr.value)) {
    // ListValue numbers its fields as AttrValue does; unpacked, which every parser reads as packed.
    writer.tag(1, WireType.LengthDelimited).fork();
    for (const value of attr.value) writeScalar(writer, attr.kind, value);
    writer.join();
  } else {
    writeScalar(writer, attr.kind, attr.value);
  }
}

function writeScalar(writer: BinaryWriter, kind: AttrValue['kind'], value: unknown): void {
  if (kind === 'string') writer.tag(2, WireType.LengthDelimited).string(value as string);
  if (kind === 'int') writer.tag(3, WireType.Varint).int64(value as number);
  if (kind === 'float') writer.tag(4, WireType.Bit32).float(value as number);
  if (kind === 'bool') writer.tag(5, WireType.Varint).bool(value as boolean);
  if (kind === 'type') writer.tag(6, WireType.Varint).int32(value as number);
}

/** TensorProto: dtype 1, tensor_shape 2, tensor_content 4. */
function writeTensor(writer: BinaryWriter, tensor: TensorValue): void {
  writer.tag(1, WireType.Varint).int32(tensor.dtype);
  writer.tag(2, WireType.LengthDelimited).fork();
  writeShape(writer, tensor.shape);
  writer.join();
  writer.tag(4, WireType.LengthDelimited).bytes(tensor.content);
}

/** TensorShapeProto: dim 2, each with size 1. */
export function writeShape(writer: BinaryWriter, shape: readonly number[]): void {
  for (const size of shape) {
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.Varint).int64(size).join();
  }
}
