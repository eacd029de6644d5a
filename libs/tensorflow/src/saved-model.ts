import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { encodeGraphDef, type GraphNode, writeShape } from './graph-def.js';

/** A tensor of the graph under the name that callers of the saved model use. */
export interface SignaturePort {
  name: string;
  /** `node:output` */
  tensor: string;
  /** A TF_DataType. */
  dtype: number;
  /** -1 for an open size. */
  shape: readonly number[];
}

export interface SavedModel {
  nodes: readonly GraphNode[];
  inputs: readonly SignaturePort[];
  outputs: readonly SignaturePort[];
}

/**
 * The serialised `tensorflow.SavedModel` of a graph whose weights are constants, with the tag `serve` and the
 * signature `serving_default`. Field numbers are those of tensorflow/core/protobuf/{saved_model,meta_graph}.proto.
 */
export function encodeSavedModel(
  { nodes, inputs, outputs }: SavedModel,
  tensorflowVersion: string,
): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).int64(1); // SavedModel.saved_model_schema_version
  writer.tag(2, WireType.LengthDelimited).fork(); // SavedModel.meta_graphs
  writer.tag(1, WireType.LengthDelimited).fork(); // MetaGraphDef.meta_info_def
  writer.tag(4, WireType.LengthDelimited).string('serve'); // MetaInfoDef.tags
  writer.tag(5, WireType.LengthDelimited).string(tensorflowVersion).join(); // MetaInfoDef.tensorflow_version
  writer.tag(2, WireType.LengthDelimited).bytes(encodeGraphDef(nodes)); // MetaGraphDef.graph_def
  writer.tag(5, WireType.LengthDelimited).fork(); // MetaGraphDef.signature_def, a map
  writer.tag(1, WireType.LengthDelimited).string('serving_default');
  writer.tag(2, WireType.LengthDelimited).fork();
  for (const port of inputs) writePort(writer, 1, port); // SignatureDef.inputs
  for (const port of outputs) writePort(writer, 2, port); // SignatureDef.outputs
  writer.tag(3, WireType.LengthDelimited).string('tensorflow/serving/predict'); // SignatureDef.method_name
  writer.join().join().join();
  return writer.finish();
}

/** An entry of a map of string to TensorInfo: name 1, dtype 2, tensor_shape 3. */
function writePort(writer: BinaryWriter, field: number, { name, tensor, dtype, shape }: SignaturePort): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(name);
  writer.tag(2, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(tensor);
  writer.tag(2, WireType.Varint).int32(dtype);
  writer.tag(3, WireType.LengthDelimited).fork();
  writeShape(writer, shape);
  writer.join().join().join();
}
