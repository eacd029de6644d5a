import { MedformerError, type StoredTensor } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';

/**
 * Where each parameter lies in the flat vectors [P] that hold all parameters of a model, their moments and their
 * moving average. One vector in place of hundreds of variables: an optimiser is a dozen ops whatever the model.
 */
export class ParameterLayout {
  readonly names: readonly string[];
  readonly shapes: readonly number[][];
  readonly sizes: readonly number[];

  /** @param parameters in the order of the vectors */
  constructor(parameters: readonly (readonly [string, tf.Tensor])[]) {
    this.names = parameters.map(([name]) => name);
    this.shapes = parameters.map(([, { shape }]) => [...shape]);
    this.sizes = parameters.map(([, { size }]) => size);
  }

  /** One value per parameter, repeated over its elements: [P]. */
  fill(of: (name: string, index: number) => number): tf.Tensor1D {
    return tf.tidy(() =>
      tf.concat1d(this.sizes.map((size, index) => tf.fill([size], of(this.names[index]!, index)))),
    );
  }

  /** The parameters of a vector [P], each in its shape. */
  split(vector: tf.Tensor): tf.Tensor[] {
    const flat = tf.split(vector, [...this.sizes]);
    return flat.map((values, index) => tf.reshape(values, this.shapes[index]!));
  }

  byName(vector: tf.Tensor): Map<string, tf.Tensor> {
    const tensors = this.split(vector);
    return new Map(this.names.map((name, index) => [name, tensors[index]!]));
  }

  /** One vector [P] of a tensor per parameter; 0 where there is none. */
  flatten(tensors: readonly (tf.Tensor | null | undefined)[]): tf.Tensor1D {
    return tf.concat1d(
      this.sizes.map((size, index) => {
        const tensor = tensors[index];
        return tensor ? (tf.reshape(tensor, [size]) as tf.Tensor1D) : tf.zeros([size]);
      }),
    ) as tf.Tensor1D;
  }

  /** A vector's values by name, to be stored. */
  toStored(vector: tf.Tensor, prefix = ''): Map<string, StoredTensor> {
    const values = vector.dataSync() as Float32Array;
    let at = 0;
    return new Map(
      this.names.map((name, index) => {
        const data = values.slice(at, at + this.sizes[index]!);
        at += this.sizes[index]!;
        return [`${prefix}${name}`, { dtype: 'F32', shape: this.shapes[index]!, data }];
      }),
    );
  }

  /**
   * A vector [P] of what `toStored` gave.
   * @throws MedformerError DATA_LOSS naming the first tensor that is missing or of another shape
   */
  fromStored(stored: ReadonlyMap<string, StoredTensor>, prefix = ''): tf.Tensor1D {
    const values = new Float32Array(this.sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const [index, name] of this.names.entries()) {
      const found = stored.get(`${prefix}${name}`);
      if (found?.dtype !== 'F32' || found.shape.join() !== this.shapes[index]!.join()) {
        throw new MedformerError(
          'DATA_LOSS',
          `checkpoint: optimiser slot ${prefix}${name}: expected F32 [${this.shapes[index]}], found ${found ? `${found.dtype} [${found.shape}]` : 'none'}`,
        );
      }
      values.set(found.data as Float32Array, at);
      at += this.sizes[index]!;
    }
    return tf.tensor1d(values);
  }
}
