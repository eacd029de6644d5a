import { z } from 'zod';
import { ExpectedLoss } from './health-spec.js';
import { ModelConfig } from './model-config.js';
import { OnlineScores } from './monitor-spec.js';
import { ContentHash, Slug } from './primitives.js';
import { RunSpec } from './run-spec.js';
import { TaskHead } from './task-head.js';

const Blob = z.object({ sha256: ContentHash, bytes: z.number().int().min(0) });

/** Safetensors blobs, no tensor in two; more than one where they would be larger than the store's largest object. */
export const Blobs = z.array(Blob).min(1);

/**
 * What decides, beside the run itself, every bit of what is computed: with another of these a step differs in its last
 * digits, and so does all that follows.
 */
export const Runtime = z.object({
  /** Version of the TensorFlow library. */
  tensorflow: z.string(),
  /** Threads of a step: a batch is computed in as many parts. */
  threads: z.number().int().min(1),
  /** Processor model: kernels are chosen by its instructions. */
  processor: z.string(),
  /** Version of Node.js, whose mathematics draws views. */
  node: z.string(),
  /** Processes that share a batch. */
  workers: z.number().int().min(1).default(1),
});
export type Runtime = z.infer<typeof Runtime>;

/** One logged step. Only what the run computes stands here, never a clock: a resumed run writes the same bytes. */
export const HistoryEntry = z.object({
  step: z.number().int().min(0),
  loss: z.number(),
  learningRate: z.number(),
  gradientNorm: z.number(),
  /** Mean over features of the standard deviation of the normalised embeddings in the batch; near 0 = collapse. */
  embeddingStd: z.number().optional(),
  /** Directions that the embeddings of the batch use (RankMe), 1 to their width. */
  effectiveRank: z.number().optional(),
  /** The same of the embeddings minus their mean: whether what is left of them tells images apart. */
  centredRank: z.number().optional(),
  accuracy: z.number().optional(),
  /** Where the run's `monitor` scored its features after this step. */
  online: OnlineScores.optional(),
});
export type HistoryEntry = z.infer<typeof HistoryEntry>;

/**
 * The sidecar of a checkpoint and its commit point: written after the safetensors blobs it names.
 * An embedding names this record's address; the record names run, code and dataset.
 */
export const CheckpointRecord = z.object({
  kind: z.literal('medformer.checkpoint.v1'),
  run: ContentHash,
  spec: RunSpec,
  step: z.number().int().min(0),
  model: ModelConfig,
  /** Model weights. */
  weights: Blobs,
  /** Optimiser slots; everything else that a resume needs follows from `spec.seed` and `step`. */
  optimiser: Blobs,
  /** Tensor names by the part they belong to: the body is what transfers, the ends adapt. */
  parts: z.object({
    input: z.array(z.string()),
    body: z.array(z.string()),
    output: z.array(z.string()),
    method: z.array(z.string()),
  }),
  /** Keys with trained latent codes; others fall back to the shared code. */
  codes: z.object({ modalities: z.array(Slug), bodyParts: z.array(Slug), tasks: z.array(Slug) }),
  /** Of `codes.tasks`; absent in checkpoints from before there was more than softmax over classes. */
  heads: z.array(TaskHead).optional(),
  /**
   * Tensors that no step has touched, here or in a run that this one started from: they are as their seed made them, as
   * the end for volumes is while only images were seen. Absent in checkpoints from before this was kept.
   */
  untrained: z.array(z.string()).optional(),
  /** Pixels in [0, 1] are standardised as (x - mean) / std before the patch embedding. */
  input: z.object({
    mean: z.number(),
    std: z.number().positive(),
    /**
     * Spatial edges of the images that it trained on, most frequent first: an image of any others is resampled to the
     * nearest. Absent in checkpoints from before this was kept, which take images as they come.
     */
    shapes: z.array(z.array(z.number().int().min(1)).min(2).max(3)).optional(),
  }),
  dataset: ContentHash,
  codeVersion: z.string().min(1),
  /** What the steps since the last resume were computed with. */
  runtime: Runtime.optional(),
  /** What theory says of the loss, for the batches of this run. */
  expectedLoss: ExpectedLoss.optional(),
  history: z.array(HistoryEntry),
});
export type CheckpointRecord = z.infer<typeof CheckpointRecord>;
