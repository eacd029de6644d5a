import { MedformerError, Rng, type StoredTensor } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';

/** How a parameter starts: `xavier` is uniform by fan-in and fan-out (Glorot and Bengio 2010, equation 16). */
export type Initialiser = 'xavier' | 'zeros' | 'ones' | { normal: number } | { values: Float32Array };

/** Where a parameter belongs; the first segment of its name. */
export const PARTS = ['input', 'body', 'output', 'method'] as const;
export type Part = (typeof PARTS)[number];

/**
 * The named variables of a model. A layer asks for its parameter where it uses it; the first time, while the
 * model is built, the parameter is made (from `stored` when that has it, else from the seed and its own name).
 * After `seal`, asking for an unknown name is a mistake and throws.
 */
export class Parameters {
  private variables = new Map<string, tf.Tensor>();
  private sealed = false;
  private owned = true;

  constructor(
    private readonly seed: number,
    private readonly stored: ReadonlyMap<string, StoredTensor> = new Map(),
  ) {}

  /**
   * These tensors by name in place of variables of its own, as a step sees slices of one flat vector or of its moving
   * average. Sealed; they stay the caller's.
   */
  static reading(tensors: ReadonlyMap<string, tf.Tensor>): Parameters {
    const parameters = new Parameters(0);
    parameters.variables = new Map(tensors);
    parameters.sealed = true;
    parameters.owned = false;
    return parameters;
  }

  /** The parameter of this name and shape, float32. */
  get(name: string, shape: number[], initialiser: Initialiser = 'xavier'): tf.Tensor {
    const known = this.variables.get(name);
    if (known) return known;
    if (this.sealed) throw new MedformerError('INTERNAL', `the model has no parameter ${name}`);
    const values =
      this.storedValues(name, shape) ?? initialValues(Rng.of(this.seed, 'init', name), shape, initialiser);
    const variable = tf.tidy(() => tf.variable(tf.tensor(values, shape, 'float32'), true));
    this.variables.set(name, variable);
    return variable;
  }

  /** No parameter is made after this. */
  seal(): void {
    this.sealed = true;
  }

  /** @throws MedformerError DATA_LOSS naming every parameter that the stored values lacked. */
  requireStored(): void {
    const missing = this.entries().flatMap(([name]) => (this.stored.has(name) ? [] : [name]));
    if (missing.length > 0)
      throw new MedformerError('DATA_LOSS', `checkpoint: missing ${missing.join(', ')}`);
  }

  /** Every parameter, in the order of its name: the order of the flat vectors the optimiser works on. */
  entries(): [string, tf.Tensor][] {
    return [...this.variables].sort(([x], [y]) => (x < y ? -1 : 1));
  }

  /** Number of trained scalars. */
  get size(): number {
    return this.entries().reduce((sum, [, variable]) => sum + variable.size, 0);
  }

  /** A copy of every value, to be written to a checkpoint. */
  toStored(): Map<string, StoredTensor> {
    return new Map(
      this.entries().map(([name, variable]) => [
        name,
        { dtype: 'F32', shape: variable.shape, data: Float32Array.from(variable.dataSync()) },
      ]),
    );
  }

  dispose(): void {
    if (this.owned) for (const variable of this.variables.values()) variable.dispose();
    this.variables.clear();
  }

  private storedValues(name: string, shape: number[]): Float32Array | undefined {
    const stored = this.stored.get(name);
    if (!stored) return undefined;
    if (stored.shape.join() !== shape.join() || !(stored.data instanceof Float32Array)) {
      throw new MedformerError(
        'DATA_LOSS',
        `checkpoint: ${name}: expected F32 [${shape}], found ${stored.dtype} [${stored.shape}]`,
      );
    }
    return stored.data;
  }
}

function initialValues(rng: Rng, shape: number[], initialiser: Initialiser): Float32Array {
  const values = new Float32Array(shape.reduce((product, edge) => product * edge, 1));
  if (initialiser === 'ones') return values.fill(1);
  if (initialiser === 'zeros') return values;
  if (initialiser === 'xavier') {
    const fanOut = shape[shape.length - 1] ?? 1;
    const fanIn = values.length / fanOut;
    const bound = Math.sqrt(6 / (fanIn + fanOut));
    return values.map(() => rng.uniform(-bound, bound));
  }
  if ('values' in initialiser) return initialiser.values;
  return values.map(() => rng.normal(0, initialiser.normal));
}
