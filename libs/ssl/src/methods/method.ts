import type { InputStatistics, Medformer, ModelInput, TaskHead } from '@medformer/medformer';
import type { ExpectedLoss, MethodSpec, ModelConfig, Rng, StoredTensor, ViewPolicy } from '@medformer/schema';
import type { tf } from '@medformer/tensorflow';
import type { BatchShare } from '../batch-share.js';
import type { TrainingGroup } from '../training-group.js';

/** Standardised views of a batch on the host; view v of image i is row v * images + i. */
export interface HostViews {
  /** [views * images, ...shape]. */
  x: Float32Array;
  /** [...spatial, channels]. */
  shape: number[];
  views: number;
  images: number;
}

/** Host values that a step takes beside its images. */
export interface DrawnValues {
  data: Float32Array | Int32Array;
  shape: number[];
}

/** What a method makes of the views on the host: tiles, masks. */
export interface Arrangement {
  /** [views * images * copies, ...shape]: the copies of a view stand together. */
  x: Float32Array;
  shape: number[];
  copies: number;
  /** Further inputs of the loss, of equal names and shapes for equal shapes of views. */
  drawn: Record<string, DrawnValues>;
}

/**
 * Name of a drawn input [own fusions, all images], where a batch ends with fusions of its images: how much of each is in each;
 * rows sum to 1.
 */
export const MIXING = 'mixing';

/** What a loss is given beside the images. */
export interface LossInput {
  /**
   * Probabilities of the classes [B, C] for methods that use labels, an unlabelled image's row all zeros; of a multi-label
   * head those of its labels, -1 where unknown; [B, 1] of nothing else.
   */
  labels: tf.Tensor;
  /** Whose labels they are, in a run of several tasks. */
  task?: string;
  /** What `arrange` drew. */
  drawn: Record<string, tf.Tensor>;
  /** The model with the moving average of its weights, where the run keeps one. */
  teacher?: Medformer;
  /** Weight of the method's unsupervised term at this step, scalar. */
  ramp: tf.Tensor;
  /** Which of the batch this process computes; all when absent. */
  share?: BatchShare;
}

/** What a method computes from one batch, or from its share of one: then loss and accuracy are shares, see `BatchShare`. */
export interface MethodLoss {
  loss: tf.Scalar;
  /** Embeddings of the rows that have a gradient, [rows, D], for the run's health. */
  h: tf.Tensor;
  /** Share of the batch that is predicted right, where the method predicts. */
  accuracy?: tf.Scalar;
  /** What the loss is made of, where it has parts; asked for only when a step is examined. */
  terms?: () => Record<string, tf.Scalar>;
}

/**
 * A pretext task or supervised training. Views of a batch stand behind each other: rows 0 to B - 1 are the first
 * view of each image, rows B to 2B - 1 the second.
 */
export interface Method<Spec extends MethodSpec = MethodSpec> {
  name: Spec['name'];
  /** One policy per view. */
  policies: readonly ViewPolicy[];
  /** Constants found from the data before the first step, kept as parameters `method/<name>/...` without a gradient. */
  fit?(
    spec: Spec,
    groups: readonly TrainingGroup[],
    config: ModelConfig,
    seed: number,
    input?: InputStatistics,
  ): Map<string, StoredTensor>;
  /** Turns views into what the loss takes, on the host; random only by a row's generator, of seed, step, view and image. */
  arrange?(
    spec: Spec,
    views: HostViews,
    context: { config: ModelConfig; rngOf(row: number): Rng },
  ): Arrangement;
  /** The step's graph: it reads no tensor on the host and draws nothing. */
  loss(spec: Spec, model: Medformer, input: ModelInput, given: LossInput): MethodLoss;
  /** Weight of the unsupervised term at a step counted from 1; 1 when absent. */
  ramp?(spec: Spec, step: number, steps: number): number;
  /** Features [B, D] that probes and kNN read, where they are not the model's embedding. */
  embed?(spec: Spec, model: Medformer, input: ModelInput): tf.Tensor;
  /** What the loss of `batch` images is before training, where a closed form is known. */
  expected(spec: Spec, batch: number, heads: readonly TaskHead[]): ExpectedLoss;
}
