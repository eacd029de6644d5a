import { createHash } from 'node:crypto';
import { encodeNode, type GraphNode, liveNodes, nodeOf } from '@medformer/tensorflow';
import { constantOf, type ExportGraph } from './graph.js';

/**
 * The same function in fewer nodes: what is computed twice is computed once, and steps that change nothing are gone
 * (casts to the same type, copies, a reshape of a reshape).
 */
export function simplify(graph: ExportGraph): ExportGraph {
  const copies = new Map<string, string>();
  /** A node to the earlier one that computes the same. */
  const twins = new Map<string, string>();
  const rename = (tensor: string): string => {
    const twin = twins.get(nodeOf(tensor));
    return copies.get(tensor) ?? (twin ? twin + tensor.slice(nodeOf(tensor).length) : tensor);
  };
  const producers = new Map<string, GraphNode>();
  const known = new Map<string, string>();
  const nodes: GraphNode[] = [];
  for (const original of graph.nodes) {
    const node = shortcut({ ...original, inputs: original.inputs.map(rename) }, producers);
    if (isCopy(node)) {
      copies.set(`${node.name}:0`, node.inputs[0]!);
      continue;
    }
    const key = keyOf(node);
    const twin = known.get(key);
    if (twin) twins.set(node.name, twin);
    else {
      known.set(key, node.name);
      producers.set(`${node.name}:0`, node);
      nodes.push(node);
    }
  }
  const outputs = graph.outputs.map(({ name, tensor }) => ({ name, tensor: rename(tensor) }));
  const needed = [...outputs, ...graph.inputs].map(({ tensor }) => tensor);
  return { ...graph, outputs, nodes: liveNodes(nodes, needed) };
}

/** A reshape of a reshape reads what the first one read. */
function shortcut(node: GraphNode, producers: ReadonlyMap<string, GraphNode>): GraphNode {
  const from = node.op === 'Reshape' ? producers.get(node.inputs[0]!) : undefined;
  return from?.op === 'Reshape' ? { ...node, inputs: [from.inputs[0]!, ...node.inputs.slice(1)] } : node;
}

function isCopy({ op, attributes }: GraphNode): boolean {
  return op === 'Identity' || (op === 'Cast' && attributes.SrcT?.value === attributes.DstT?.value);
}

/** The same for nodes that compute the same. */
function keyOf(node: GraphNode): string {
  if (node.op === 'Placeholder') return node.name;
  const value = constantOf(node);
  const hash = createHash('sha256').update(
    encodeNode({ ...node, name: '', attributes: value ? {} : node.attributes }),
  );
  if (value) hash.update(`${value.dtype} [${value.shape}]`).update(value.content);
  return hash.digest('base64');
}
