import type { GraphNode } from './graph-def.js';
import { nativeBackend } from './native-backend.js';
import { tf } from './tf.js';
import { trace } from './trace.js';

/** A computation without side effects as TensorFlow nodes, each after those it reads. Tensors are `node:output`. */
export interface ForwardGraph {
  nodes: GraphNode[];
  /** Placeholders, in the order of the inputs. */
  inputs: string[];
  outputs: string[];
  tensors: ReadonlyMap<string, TensorSpec>;
}

export interface TensorSpec {
  /** A TF_DataType. */
  dtype: number;
  shape: readonly number[];
}

/**
 * Runs `compute` once and writes it down for the shapes of `inputs`. Whatever does not depend on the inputs, weights
 * included, stands in the graph as the constant it came to; so does a random draw.
 *
 * @throws MedformerError UNIMPLEMENTED when `compute` reads a tensor on the host
 * @throws MedformerError FAILED_PRECONDITION without the native backend
 */
export function recordForward(
  compute: (inputs: tf.Tensor[]) => tf.Tensor[],
  inputs: tf.Tensor[],
): ForwardGraph {
  const backend = nativeBackend();
  tf.engine().startScope();
  try {
    const ids = backend.getInputTensorIds(inputs);
    const { nodes, outputs, tensors, ...traced } = trace(backend, {
      arguments: inputs.map(({ dtype, shape }, index) => ({
        id: ids[index]!,
        dtype: backend.getDTypeInteger(dtype),
        shape,
      })),
      constants: new Map(),
      forbidden: new Map(),
      fold: true,
      run: () => backend.getInputTensorIds(compute(inputs)),
    });
    const placeholders = traced.arguments.map((name) => `${name}:0`);
    return { nodes: liveNodes(nodes, [...outputs, ...placeholders]), inputs: placeholders, outputs, tensors };
  } finally {
    tf.engine().endScope();
  }
}

/** The nodes that some of these tensors come from, in their order. */
export function liveNodes(nodes: readonly GraphNode[], tensors: readonly string[]): GraphNode[] {
  const read = new Set(tensors.map(nodeOf));
  // Readers stand after what they read.
  for (const node of nodes.toReversed()) {
    if (read.has(node.name)) for (const input of node.inputs) read.add(nodeOf(input));
  }
  return nodes.filter((node) => read.has(node.name));
}

/** The node of a tensor `node:output`. */
export const nodeOf = (tensor: string): string => tensor.slice(0, tensor.lastIndexOf(':'));
