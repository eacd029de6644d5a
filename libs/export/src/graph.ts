import {
  DATA_TYPES,
  type ForwardGraph,
  type GraphNode,
  type TensorSpec,
  type TensorValue,
} from '@medformer/tensorflow';

/** In a shape: the batch axis, or an axis that has a multiple of the batch's size. */
export const BATCH = -1;

/** A model's function as TensorFlow nodes, each after those it reads. Tensors are `node:output`. */
export interface ExportGraph {
  nodes: readonly GraphNode[];
  inputs: readonly Port[];
  outputs: readonly Port[];
  /** Shapes hold BATCH where the batch size is open. */
  tensors: ReadonlyMap<string, TensorSpec>;
}

/** A tensor under the name that callers of the exported model use. */
export interface Port {
  name: string;
  tensor: string;
}

/** The value of a Const node; undefined for any other. */
export function constantOf(node: GraphNode | undefined): TensorValue | undefined {
  const value = node?.op === 'Const' ? node.attributes.value : undefined;
  return value?.kind === 'tensor' ? value.value : undefined;
}

export function constNode(name: string, value: TensorValue): GraphNode {
  const attributes = {
    dtype: { kind: 'type', value: value.dtype },
    value: { kind: 'tensor', value },
  } as const;
  return { name, op: 'Const', inputs: [], attributes };
}

/** A vector of int32. */
export function intVector(values: readonly number[]): TensorValue {
  const content = new Uint8Array(Int32Array.from(values).buffer);
  return { dtype: DATA_TYPES.int32, shape: [values.length], content };
}

/** The elements of an int32 value. */
export function intsOf({ content }: TensorValue): number[] {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  return Array.from({ length: content.byteLength / 4 }, (_, index) => view.getInt32(4 * index, true));
}

/** The names under which a model takes and gives its tensors. */
export function named(graph: ForwardGraph, inputs: string[], outputs: string[]): ExportGraph {
  const port = (names: string[]) => (tensor: string, index: number) => ({ name: names[index]!, tensor });
  return { ...graph, inputs: graph.inputs.map(port(inputs)), outputs: graph.outputs.map(port(outputs)) };
}
