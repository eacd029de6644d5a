import {
  type CheckpointRecord,
  type LabelSpace,
  MedformerError,
  type ModelConfig,
  type OrdinalLink,
  type StoredTensor,
  type TaskHead,
} from '@medformer/schema';
import { type Precision, tf } from '@medformer/tensorflow';
import { body } from './body.js';
import { inputAdaptformer, type ModelInput } from './input-adaptformer.js';
import { type CodeKeys, codeRows, oneHotRows } from './latent-codes.js';
import { dense } from './layers.js';
import { nearestShape } from './nearest-shape.js';
import { ordinalLogits } from './ordinal-logits.js';
import { outputAdaptformer } from './output-adaptformer.js';
import { type ParameterStart, Parameters } from './parameters.js';
import { causalStates, type SequenceReading } from './patch-sequence.js';
import { resampled } from './resample.js';

/** Pixels in [0, 1] enter a new model as (x - mean) / std; MedMNIST's own recipe. A checkpoint says its own. */
export const INPUT_STATISTICS: InputStatistics = { mean: 0.5, std: 0.5 };

export interface InputStatistics {
  mean: number;
  std: number;
  /** Spatial edges that training saw; images of others are brought to the nearest. Absent: all are taken as they come. */
  shapes?: number[][] | undefined;
}

/** Names of the codes each image of a batch asks for; absent: the shared code for all. */
export interface CodeNames {
  modality?: string[];
  bodyPart?: string[];
}

/** The codes of a batch as one-hot rows; see `ModelInput`. */
export type CodeRows = Pick<ModelInput, 'modality' | 'bodyPart'>;

/** Input Adaptformer -> body -> output Adaptformer: one set of weights for 2D and 3D images of any size. */
export class Medformer {
  readonly parameters: Parameters;
  private parts = 1;

  constructor(
    readonly config: ModelConfig,
    readonly codes: CodeKeys,
    readonly heads: TaskHead[] = [],
    init: ParameterStart | Parameters = { seed: 0 },
    /** How pixels are standardised. */
    readonly input: InputStatistics = INPUT_STATISTICS,
  ) {
    if (init instanceof Parameters) {
      this.parameters = init;
      return;
    }
    this.parameters = new Parameters(init);
    try {
      this.build();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** @throws MedformerError DATA_LOSS when a tensor is missing, of another shape, or has no place in the model. */
  static fromCheckpoint(record: CheckpointRecord, weights: ReadonlyMap<string, StoredTensor>): Medformer {
    const heads = headsOf(record, weights);
    const start = { seed: record.spec.seed, stored: weights };
    const model = new Medformer(record.model, record.codes, heads, start, record.input);
    try {
      model.parameters.requireStored('method/');
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  /**
   * The same model over these tensors, by parameter name; they stay the caller's. With `parts` it computes a batch in so
   * many equal parts that do not wait for each other, where the batch can be so divided: the same up to rounding.
   * `precision` is that of its products.
   */
  reading(
    tensors: ReadonlyMap<string, tf.Tensor>,
    { parts = 1, precision = 'float32' }: { parts?: number; precision?: Precision } = {},
  ): Medformer {
    const parameters = Parameters.reading(tensors, { precision });
    const model = new Medformer(this.config, this.codes, this.heads, parameters, this.input);
    model.parts = parts;
    return model;
  }

  /** Embeddings h [B, D] of standardised images with the rows of their codes; with `task` as that task's query reads them. */
  encode(input: ModelInput, task?: string): tf.Tensor {
    return this.inParts(input, (part) => {
      const latents = this.latents(part);
      return task === undefined ? this.pool(latents) : this.represent(latents, task);
    });
  }

  /**
   * The body's latents [B, latents, D], for methods that decode them.
   * @param visible [B, N], 0 for patch tokens that are hidden from the model; their pixels still reach neighbouring
   *   tokens through the stem, so blank them as well
   */
  latents(input: ModelInput, { visible }: { visible?: tf.Tensor } = {}): tf.Tensor {
    return body(this.parameters, this.config, inputAdaptformer(this.parameters, this.config, input, visible));
  }

  /** Embeddings h [B, D] of the body's latents [B, latents, D]. */
  pool(latents: tf.Tensor): tf.Tensor {
    return outputAdaptformer(this.parameters, this.config, latents);
  }

  /** States of the body over the image's patches as a sequence, none of which sees a later one; see `causalStates`. */
  causalStates(input: ModelInput, reading: SequenceReading): tf.Tensor[] {
    return causalStates(this.parameters, this.config, input, reading);
  }

  /** Logits [B, classes] of a task's own head. */
  classify(input: ModelInput, task: string): tf.Tensor {
    return this.decide(this.encode(input, task), this.headOf(task));
  }

  /** Logits [B, classes] of the body's latents [B, latents, D]. */
  score(latents: tf.Tensor, task: string): tf.Tensor {
    const head = this.headOf(task);
    return this.decide(this.represent(latents, task), head);
  }

  /** @throws MedformerError FAILED_PRECONDITION naming the tasks there are heads for */
  headOf(task: string): TaskHead {
    const head = this.heads.find((known) => known.task === task);
    if (head) return head;
    const known = this.heads.map((other) => other.task).join(', ') || 'none';
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `the model has no head for task ${task}; it has: ${known}`,
    );
  }

  /** What a task's own query reads from the latents [B, latents, D], before the task's head: [B, D]. */
  represent(latents: tf.Tensor, task: string): tf.Tensor {
    return outputAdaptformer(this.parameters, this.config, latents, task);
  }

  /** Logits [B, classes] of what `represent` gave. */
  decide(h: tf.Tensor, { task, classes, ordinal }: TaskHead): tf.Tensor {
    const at = `output/heads/${task}`;
    return ordinal === 'cumulative'
      ? ordinalLogits(this.parameters, at, h, classes)
      : dense(this.parameters, at, h, classes);
  }

  /** Embeddings [B, D] of pixels in [0, 1], float32 [B, ...spatial, C]. */
  embed(pixels: tf.Tensor, codes: CodeNames | CodeRows = {}): tf.Tensor {
    return tf.tidy(() => this.encode(this.prepare(pixels, codes)));
  }

  /** Logits [B, classes] of pixels in [0, 1]. */
  predict(pixels: tf.Tensor, task: string, codes: CodeNames | CodeRows = {}): tf.Tensor {
    return tf.tidy(() => this.classify(this.prepare(pixels, codes), task));
  }

  dispose(): void {
    this.parameters.dispose();
  }

  /** Pixels in [0, 1] and the names or rows of their codes to what the model takes. */
  prepare(pixels: tf.Tensor, codes: CodeNames | CodeRows): ModelInput {
    const { modality, bodyPart } = areRows(codes) ? codes : rowsOfCodes(this.codes, pixels.shape[0]!, codes);
    const shape = this.nearestShape(pixels.shape.slice(1, -1));
    const fitting = shape ? resampled(pixels, shape) : pixels;
    return { x: tf.div(tf.sub(fitting, this.input.mean), this.input.std), modality, bodyPart };
  }

  /** The trained shape that `prepare` brings images of these spatial edges to; undefined where they stay. */
  nearestShape(shape: readonly number[]): readonly number[] | undefined {
    return nearestShape(shape, this.input.shapes ?? []);
  }

  /** Rows of each part behind each other: [B, ...]. */
  private inParts(input: ModelInput, compute: (part: ModelInput) => tf.Tensor): tf.Tensor {
    const batch = input.x.shape[0]!;
    const { parts } = this;
    if (parts === 1 || batch % parts !== 0) return compute(input);
    const [x, modality, bodyPart] = [input.x, input.modality, input.bodyPart].map((rows) =>
      tf.split(rows, parts),
    );
    return tf.concat(
      Array.from({ length: parts }, (_, part) =>
        compute({ x: x![part]!, modality: modality![part]!, bodyPart: bodyPart![part]! }),
      ),
    );
  }

  /** Makes every parameter by running the smallest colour image and volume once through every end. */
  private build(): void {
    tf.tidy(() => {
      for (const shape of [
        [1, 1, 1, 3],
        [1, 1, 1, 1, 3],
      ]) {
        const input = this.prepare(tf.zeros(shape), {});
        this.encode(input);
        for (const { task } of this.heads) this.classify(input, task);
      }
    });
  }
}

/** One-hot rows of the codes of a batch; unknown and absent names get the shared code. */
export function rowsOfCodes(keys: CodeKeys, batch: number, names: CodeNames): CodeRows {
  const oneHot = (known: string[], wanted: string[] | undefined) => {
    const rows = wanted ? codeRows(known, wanted).rows : new Int32Array(batch);
    return oneHotRows(rows, known.length + 1);
  };
  return {
    modality: oneHot(keys.modalities, names.modality),
    bodyPart: oneHot(keys.bodyParts, names.bodyPart),
  };
}

const areRows = (codes: CodeNames | CodeRows): codes is CodeRows => codes.modality instanceof tf.Tensor;

/** The head a label space asks for: one logit per class or label. `ordinal` is of ordered classes only. */
export function headOf({ task, kind, classes }: LabelSpace, ordinal: OrdinalLink = 'softmax'): TaskHead {
  const head = { task, kind, classes: classes.length };
  return kind === 'ordinal' && ordinal !== 'softmax' ? { ...head, ordinal } : head;
}

/**
 * The heads of a checkpoint.
 * @throws MedformerError DATA_LOSS naming a head's weight that is missing
 */
export function headsOf(
  { heads, codes }: Pick<CheckpointRecord, 'heads' | 'codes'>,
  weights: ReadonlyMap<string, StoredTensor>,
): TaskHead[] {
  return codes.tasks.map((task) => {
    const weight = weights.get(`output/heads/${task}/weight`);
    if (!weight) throw new MedformerError('DATA_LOSS', `checkpoint: output/heads/${task}/weight is missing`);
    return heads?.find((known) => known.task === task) ?? { task, classes: weight.shape[1]! };
  });
}

/** Probabilities [B, classes] of a head's logits: of a multi-label task of each label by itself. */
export function probabilitiesOf(logits: tf.Tensor, { kind }: Pick<TaskHead, 'kind'>): tf.Tensor {
  return kind === 'multi-label' ? tf.sigmoid(logits) : tf.softmax(logits);
}
