import { create, toBinary } from '@bufbuild/protobuf';
import { MedformerError } from '@medformer/schema';
import { ModelProtoSchema } from 'onnx-buf';
import { constantOf, type ExportGraph } from './graph.js';
import { OnnxGraph, OnnxNode, unsupported } from './onnx-graph.js';
import { CONVERTERS } from './onnx-ops.js';

/** Of the default domain; with intermediate representation 8 the set that every runtime since 2022 reads. */
export const ONNX_OPSET = 17;
const IR_VERSION = 8n;

/** Protobuf's own limit on a message. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * A serialised `onnx.ModelProto` that computes the graph; each entry of `metadata` is one of its metadata properties,
 * `medformer.<key>`, as text or JSON.
 *
 * @throws MedformerError UNIMPLEMENTED naming an op, or a dtype, that has no conversion
 * @throws MedformerError OUT_OF_RANGE when the weights pass protobuf's 2 GiB
 */
export function toOnnx(graph: ExportGraph, metadata: Readonly<Record<string, unknown>>): Uint8Array {
  const builder = new OnnxGraph(graph);
  for (const node of graph.nodes) {
    const constant = constantOf(node);
    if (constant) builder.hold(`${node.name}:0`, constant);
    else if (node.op !== 'Placeholder') {
      const converter = CONVERTERS[node.op];
      if (!converter) throw unsupported(`TensorFlow op ${node.op} (${node.name})`);
      builder.set(`${node.name}:0`, converter(new OnnxNode(builder, node)));
    }
  }
  const bytes = [...builder.initializers.values()].reduce((sum, { rawData }) => sum + rawData.length, 0);
  if (bytes > MAX_BYTES) {
    throw new MedformerError(
      'OUT_OF_RANGE',
      `export: ${bytes} bytes of weights pass the 2 GiB that an ONNX file may have; export safetensors`,
    );
  }
  for (const { name, tensor } of graph.outputs) builder.emit('Identity', [builder.read(tensor)], {}, name);
  const model = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: BigInt(ONNX_OPSET) }],
    producerName: 'medformer',
    metadataProps: Object.entries(metadata).map(([key, value]) => ({
      key: `medformer.${key}`,
      value: typeof value === 'string' ? value : JSON.stringify(value),
    })),
    graph: {
      name: 'medformer',
      node: builder.nodes,
      initializer: [...builder.initializers.values()],
      input: graph.inputs.map((port) => builder.valueInfo(port)),
      output: graph.outputs.map((port) => builder.valueInfo(port)),
    },
  });
  return toBinary(ModelProtoSchema, model);
}
