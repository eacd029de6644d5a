import { createHash } from 'node:crypto';
import { MedformerError } from '@medformer/schema';
import { type ForwardGraph, recordForward } from './forward-graph.js';
import { DATA_TYPES, encodeGraphDef, type GraphNode, type TensorValue } from './graph-def.js';
import { type NativeBackend, nativeBackend } from './native-backend.js';
import { tf } from './tf.js';

/** A computation without side effects, recorded once for one set of input shapes and run as one TensorFlow function. */
export interface ForwardFunction {
  /**
   * Resolves to the outputs, which the caller disposes of. The event loop is free meanwhile; runs may overlap.
   *
   * @throws MedformerError INVALID_ARGUMENT for other shapes or dtypes than the recorded ones
   * @throws MedformerError FAILED_PRECONDITION after `dispose`
   */
  run(inputs: tf.Tensor[]): Promise<tf.Tensor[]>;
  /** Frees the function, after the runs under way, and gives back the constants that it held. */
  dispose(): void;
}

/**
 * Records `compute` for the shapes of `inputs`; see `recordForward`, which also says what it cannot be. Weights count as
 * they are now: whoever changes them records again.
 * @param held where its large constants stand, once for all functions that share it
 */
export function forwardFunction(
  compute: (inputs: tf.Tensor[]) => tf.Tensor[],
  inputs: tf.Tensor[],
  held = new HeldConstants(),
): ForwardFunction {
  return new RecordedFunction(nativeBackend(), recordForward(compute, inputs), inputs, held);
}

/** Constants of so many bytes are handed to a function at each call in place of standing in its graph. */
const HELD_FROM = 1024;

/** Large constants of several functions, such as a model's weights at several image sizes: each value stands once. */
export class HeldConstants {
  private readonly entries = new Map<string, { id: number; readers: number }>();

  /** Number of values held. */
  get size(): number {
    return this.entries.size;
  }

  /** The native tensor of this value; `release` gives it back. */
  take(backend: NativeBackend, { dtype, shape, content }: TensorValue): { key: string; id: number } {
    const key = createHash('sha256').update(`${dtype}[${shape}]`).update(content).digest('base64');
    const entry = this.entries.get(key) ?? {
      id: backend.binding.createTensor([...shape], dtype, new Float32Array(content.slice().buffer)),
      readers: 0,
    };
    entry.readers += 1;
    this.entries.set(key, entry);
    return { key, id: entry.id };
  }

  release(backend: NativeBackend, key: string): void {
    const entry = this.entries.get(key)!;
    entry.readers -= 1;
    if (entry.readers > 0) return;
    backend.binding.deleteTensor(entry.id);
    this.entries.delete(key);
  }
}

/** Function names live in the TensorFlow context, which is this thread's. */
let serial = 0;

class RecordedFunction implements ForwardFunction {
  private readonly name = `medformer_forward_${serial++}`;
  private readonly signature: string;
  private readonly constants: { key: string; id: number }[] = [];
  private readonly outputs: number;
  private running = 0;
  private disposed = false;

  constructor(
    private readonly backend: NativeBackend,
    graph: ForwardGraph,
    inputs: tf.Tensor[],
    private readonly held: HeldConstants,
  ) {
    this.signature = describe(inputs);
    this.outputs = graph.outputs.length;
    const names = [...graph.inputs];
    const nodes = graph.nodes.map((node) => {
      const value = largeConstant(node);
      if (!value) return node;
      this.constants.push(held.take(backend, value));
      names.push(`${node.name}:0`);
      return placeholder(node.name, value);
    });
    try {
      backend.binding.addGraphFunction(this.name, encodeGraphDef(nodes), names, graph.outputs);
    } catch (cause) {
      this.releaseConstants();
      const message = `TensorFlow refuses the recorded computation: ${(cause as Error).message}`;
      throw new MedformerError('UNIMPLEMENTED', message, { cause });
    }
  }

  async run(inputs: tf.Tensor[]): Promise<tf.Tensor[]> {
    if (this.disposed)
      throw new MedformerError('FAILED_PRECONDITION', 'the recorded function is disposed of');
    const found = describe(inputs);
    if (found !== this.signature) {
      throw new MedformerError(
        'INVALID_ARGUMENT',
        `inputs of the recorded function: expected ${this.signature}, found ${found}`,
      );
    }
    const { binding } = this.backend;
    const ids = [...this.backend.getInputTensorIds(inputs), ...this.constants.map(({ id }) => id)];
    this.running += 1;
    try {
      const made = await binding.executeOpAsync(this.name, [], ids, this.outputs);
      // Kept: the promise settles outside of any tidy the caller may be in.
      return made.map((metadata) => tf.keep(this.backend.createOutputTensor(metadata)));
    } finally {
      this.running -= 1;
      if (this.disposed && this.running === 0) this.free();
    }
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    if (this.running === 0) this.free();
  }

  private free(): void {
    this.backend.binding.removeGraphFunction(this.name);
    this.releaseConstants();
  }

  private releaseConstants(): void {
    for (const { key } of this.constants) this.held.release(this.backend, key);
  }
}

function largeConstant({ op, attributes }: GraphNode): TensorValue | undefined {
  const attribute = op === 'Const' ? attributes.value : undefined;
  if (attribute?.kind !== 'tensor') return undefined;
  const { value } = attribute;
  return value.dtype === DATA_TYPES.float32 && value.content.length >= HELD_FROM ? value : undefined;
}

function placeholder(name: string, { dtype, shape }: TensorValue): GraphNode {
  const attributes = {
    dtype: { kind: 'type', value: dtype },
    shape: { kind: 'shape', value: shape },
  } as const;
  return { name, op: 'Placeholder', inputs: [], attributes };
}

const describe = (tensors: tf.Tensor[]): string =>
  tensors.map(({ dtype, shape }) => `${dtype}[${shape}]`).join(', ');
