import { MedformerError, Rng, type StoredTensor } from '@medformer/schema';
import { type Precision, tf } from '@medformer/tensorflow';

/** How a parameter starts: `xavier` is uniform by fan-in and fan-out (Glorot and Bengio 2010, equation 16). */
export type Initialiser = 'xavier' | 'zeros' | 'ones' | { normal: number } | { values: Float32Array };

/** Where a parameter belongs; the first segment of its name. */
export const PARTS = ['input', 'body', 'output', 'method'] as const;
export type Part = (typeof PARTS)[number];

/** What new parameters start from. */
export interface ParameterStart {
  /** Together with its name decides a parameter that is found nowhere else. */
  seed: number;
  /** Values by name; one of another shape is an error. */
  stored?: ReadonlyMap<string, StoredTensor>;
  /** Values by name that count where their shape fits; see `loadReport` for what they came to. */
  initial?: ReadonlyMap<string, StoredTensor>;
}

/**
 * The named variables of a model. A layer asks for its parameter where it uses it; the first time, while the
 * model is built, the parameter is made (from stored values when there are any, else from the seed and its own name).
 * After `seal`, asking for an unknown name is a mistake and throws.
 */
export class Parameters {
  private variables = new Map<string, tf.Tensor>();
  private sealed = false;
  private owned = true;
  private productPrecision: Precision = 'float32';

  constructor(private readonly start: ParameterStart) {}

  /**
   * These tensors by name in place of variables of its own, as a step sees slices of one flat vector or of its moving
   * average. Sealed; they stay the caller's. They are float32 for any `precision`, which is that of the layers' products.
   */
  static reading(
    tensors: ReadonlyMap<string, tf.Tensor>,
    { precision = 'float32' }: { precision?: Precision } = {},
  ): Parameters {
    const parameters = new Parameters({ seed: 0 });
    parameters.variables = new Map(tensors);
    parameters.sealed = true;
    parameters.owned = false;
    parameters.productPrecision = precision;
    return parameters;
  }

  /** What layers round the factors of their products to. */
  get precision(): Precision {
    return this.productPrecision;
  }

  /** The parameter of this name and shape, float32. */
  get(name: string, shape: number[], initialiser: Initialiser = 'xavier'): tf.Tensor {
    const known = this.variables.get(name);
    if (known) return known;
    if (this.sealed) throw new MedformerError('INTERNAL', `the model has no parameter ${name}`);
    const values =
      this.storedValues(name, shape) ??
      initialValues(Rng.of(this.start.seed, 'init', name), shape, initialiser);
    const variable = tf.tidy(() => tf.variable(tf.tensor(values, shape, 'float32'), true));
    this.variables.set(name, variable);
    return variable;
  }

  /** No parameter is made after this. */
  seal(): void {
    this.sealed = true;
  }

  /**
   * @param besides beginning of the names that may be stored without being parameters
   * @throws MedformerError DATA_LOSS naming every parameter without a stored value and every stored value without one
   */
  requireStored(besides?: string): void {
    const stored = this.start.stored ?? new Map();
    const missing = this.entries().flatMap(([name]) => (stored.has(name) ? [] : [name]));
    if (missing.length > 0)
      throw new MedformerError('DATA_LOSS', `checkpoint: missing ${missing.join(', ')}`);
    const unexpected = [...stored.keys()].filter(
      (name) => !this.variables.has(name) && !(besides && name.startsWith(besides)),
    );
    if (unexpected.length > 0)
      throw new MedformerError('DATA_LOSS', `checkpoint: the model has no ${unexpected.join(', ')}`);
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
    const { stored: all, initial } = this.start;
    const stored = all?.get(name);
    if (!stored) {
      const found = initial?.get(name);
      return found && fits(found, shape) ? found.data : undefined;
    }
    if (!fits(stored, shape)) {
      throw new MedformerError(
        'DATA_LOSS',
        `checkpoint: ${name}: expected F32 [${shape}], found ${stored.dtype} [${stored.shape}]`,
      );
    }
    return stored.data;
  }
}

function fits(
  tensor: StoredTensor,
  shape: readonly number[],
): tensor is StoredTensor & { data: Float32Array } {
  return tensor.shape.join() === shape.join() && tensor.data instanceof Float32Array;
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
