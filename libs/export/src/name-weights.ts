import { createHash } from 'node:crypto';
import type { StoredTensor } from '@medformer/schema';
import { constantOf, type ExportGraph } from './graph.js';

/** The same graph with inputs under their own names and with the checkpoint's weights under theirs, where they stand as they are. */
export function nameWeights(graph: ExportGraph, weights: ReadonlyMap<string, StoredTensor>): ExportGraph {
  const names = new Map<string, string>();
  for (const [name, { shape, data }] of weights) {
    const content = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    names.set(keyOf(shape, content), name);
  }
  const renamed = new Map(
    graph.inputs.map(({ name, tensor }) => [tensor.slice(0, tensor.lastIndexOf(':')), name]),
  );
  for (const node of graph.nodes) {
    const value = constantOf(node);
    const name = value && names.get(keyOf(value.shape, value.content));
    // Weights of one value, e.g. biases that no step has moved, are one constant: it has the last one's name.
    if (name) renamed.set(node.name, name);
  }
  const rename = (tensor: string) => {
    const at = tensor.lastIndexOf(':');
    return `${renamed.get(tensor.slice(0, at)) ?? tensor.slice(0, at)}${tensor.slice(at)}`;
  };
  return {
    nodes: graph.nodes.map((node) => ({
      ...node,
      name: renamed.get(node.name) ?? node.name,
      inputs: node.inputs.map(rename),
    })),
    inputs: graph.inputs.map((port) => ({ ...port, tensor: rename(port.tensor) })),
    outputs: graph.outputs.map((port) => ({ ...port, tensor: rename(port.tensor) })),
    tensors: new Map([...graph.tensors].map(([tensor, spec]) => [rename(tensor), spec])),
  };
}

function keyOf(shape: readonly number[], content: Uint8Array): string {
  return createHash('sha256').update(`[${shape}]`).update(content).digest('base64');
}
