import { z } from 'zod';
import { contentAddress } from '../canonical-json.js';
import { LeakagePolicy } from './data-report.js';
import { RunFusion } from './fusion-spec.js';
import { HealthSpec } from './health-spec.js';
import { InitialSpec } from './initial-spec.js';
import { KeepSpec } from './keep-spec.js';
import { LABEL_DRAW, oneLabelDraw } from './label-draw.js';
import { MODEL_PRESETS, ModelConfig } from './model-config.js';
import { EarlyStopSpec, MonitorSpec, onlineMetric } from './monitor-spec.js';
import { OptimiserSpec } from './optimiser-spec.js';
import { ContentHash, Slug } from './primitives.js';
import { OrdinalLink } from './task-head.js';
import { ViewPolicy } from './view-policy.js';

const Positive = z.number().positive();
const Cells = z.number().int().min(1).max(8);

/**
 * How a head tells ordered classes: `softmax` as any classes, which is MedMNIST's convention; `cumulative` by one score
 * and a threshold between neighbours, so that a likely class has likely neighbours.
 */
const Ordinal = OrdinalLink.default('softmax');

/** Which labels a run learns from, and how its head tells them. */
const LabelledTask = {
  task: Slug,
  /** Trains on these, drawn by `labelSeed`. */
  ...LABEL_DRAW,
  labelSeed: z.number().int().default(0),
  ordinal: Ordinal,
};

/**
 * What a batch is made of. `by-modality`: images of one modality, so that telling images apart needs their anatomy;
 * in a mixed batch the modality alone tells most of them apart.
 */
const Batching = z.enum(['by-modality', 'mixed']);

export const MethodSpec = z.discriminatedUnion('name', [
  z.object({
    name: z.literal('simclr'),
    temperature: Positive.default(0.2),
    /** Peers disagree. `mean` over all views (lightly, MONAI), or `sum` of both halves' means (google-research/simclr). */
    reduction: z.enum(['mean', 'sum']).default('mean'),
    projection: z.array(z.number().int().min(1)).min(1).default([256, 64]),
    batching: Batching.default('by-modality'),
  }),
  z.object({
    name: z.literal('barlow-twins'),
    /** Weight of the off-diagonal (redundancy) term; 0.0051 in the paper's code. */
    lambda: Positive.default(0.0051),
    /** Peers disagree. Features over their `batch` deviation (the paper's code, lightly) or `sample` deviation (MONAI). */
    normalisation: z.enum(['batch', 'sample']).default('batch'),
    projection: z.array(z.number().int().min(1)).min(1).default([256, 256]),
    batching: Batching.default('by-modality'),
  }),
  z.object({
    name: z.literal('jigsaw'),
    /** Tiles per axis of an image and of a volume. */
    grid2d: z.tuple([Cells, Cells]).default([3, 3]),
    grid3d: z.tuple([Cells, Cells, Cells]).default([2, 2, 2]),
    /** Share of a cell's edge that its tile leaves out, at a random place. */
    gap: z.number().min(0).max(0.9).default(0.25),
    /** Classes: permutations far from each other, of all that the tiles have. */
    permutations: z.number().int().min(2).max(10_000).default(100),
    /** Width of the layer between the tiles' embeddings and the classes. */
    hidden: z.number().int().min(1).default(256),
    batching: Batching.default('mixed'),
  }),
  z.object({
    name: z.literal('mae'),
    /** Share of the patch tokens that is hidden and predicted. */
    maskRatio: z.number().gt(0).lt(1).default(0.75),
    /** Predict each patch at mean 0 and variance 1. */
    normPix: z.boolean().default(true),
    /** Blocks in which the patches' places read the latents, and their width; a multiple of the model's heads. */
    decoder: z
      .object({ depth: z.number().int().min(1).default(2), width: z.number().int().min(1).default(96) })
      .prefault({}),
    batching: Batching.default('mixed'),
  }),
  z.object({
    name: z.literal('image-gpt'),
    /** Edge of a token in pixels or voxels, at most the model's own patch; that when absent. 1: a palette of pixels. */
    patch: z.union([1, 2, 4, 8, 16, 32].map((edge) => z.literal(edge))).optional(),
    /** Codes of the codebook that tokens are told by: the classes. */
    codes: z.number().int().min(2).max(8192).default(256),
    /** Patches of training images that the codebook is fitted on. */
    codebookPatches: z.number().int().min(2).default(4096),
    /** Blocks of the body after which probes read the features; half of them when absent. */
    layer: z.number().int().min(0).optional(),
    batching: Batching.default('mixed'),
  }),
  z.object({
    name: z.literal('consistency'),
    task: Slug,
    /** These show their label, drawn by `labelSeed`. */
    ...LABEL_DRAW,
    labelSeed: z.number().int().default(0),
    labelSmoothing: z.number().min(0).max(0.9).default(0),
    /** Share of a batch that is labelled images. */
    labelledShare: z.number().gt(0).max(1).default(0.5),
    /** `ema`: the moving average of the weights, which the run then has to keep; `none`: the model itself. */
    teacher: z.enum(['ema', 'none']).default('ema'),
    /**
     * What the student's prediction is compared with: of an image the teacher's of another `view` of it; of a `fusion` of
     * images of the batch the teacher's of these, mixed as the fusion is; or `both`.
     */
    target: z.enum(['view', 'fusion', 'both']).default('view'),
    /** Between the student's and the teacher's probabilities: mean squared error, or Kullback-Leibler divergence. */
    distance: z.enum(['mse', 'kl']).default('mse'),
    /** Of the consistency of predictions, once the ramp is through. */
    weight: z.number().min(0).default(10),
    /** Of the cosine consistency of embeddings. */
    embeddingWeight: z.number().min(0).default(0),
    /** Share of the steps over which both weights rise. */
    rampShare: z.number().min(0).max(1).default(0.3),
    batching: Batching.default('mixed'),
  }),
  z.object({
    name: z.literal('supervised'),
    ...LabelledTask,
    labelSmoothing: z.number().min(0).max(0.9).default(0),
    batching: Batching.default('mixed'),
  }),
  z.object({
    name: z.literal('multi-task'),
    /** Tasks of the run's data sets, each with a head of its own; the parts of a step have a task each. */
    tasks: z
      .array(
        z.strictObject({
          ...LabelledTask,
          /** Of the task's loss. */
          weight: Positive.default(1),
        }),
      )
      .min(1)
      .refine((tasks) => new Set(tasks.map(({ task }) => task)).size === tasks.length, {
        error: 'expected every task once',
      }),
    /** T of the sampling law: a step takes a task of n labelled images with probability ~ n^(1/T). 1: by images. */
    temperature: Positive.default(2),
    /** Loss weights are `fixed`, or learnt from each task's noise on top of them (Kendall et al. 2018). */
    weighting: z.enum(['fixed', 'uncertainty']).default('fixed'),
    labelSmoothing: z.number().min(0).max(0.9).default(0),
    batching: z.literal('mixed').default('mixed'),
  }),
]);
export type MethodSpec = z.infer<typeof MethodSpec>;

/**
 * Everything that decides what a training run computes; `keep`, which decides what stays of it, and `leakage`, which
 * decides whether it may begin. The content address of the former is the run's id.
 */
export const RunSpec = z
  .object({
    kind: z.literal('medformer.run.v1').default('medformer.run.v1'),
    dataset: ContentHash,
    /** Further data sets, all trained on together. A batch is of one of them. */
    datasets: z.array(ContentHash).optional(),
    method: MethodSpec,
    model: z
      .union([ModelConfig, z.enum(Object.keys(MODEL_PRESETS) as [keyof typeof MODEL_PRESETS])])
      .default('nano')
      .transform((model) => (typeof model === 'string' ? MODEL_PRESETS[model] : model))
      .pipe(ModelConfig),
    /** Which images take part, by the number of spatial axes. */
    dimensions: z
      .array(z.union([z.literal(2), z.literal(3)]))
      .min(1)
      .default([2, 3]),
    /** Images of these modalities only take part; all when absent. */
    modalities: z.array(Slug).min(1).optional(),
    optimiser: OptimiserSpec.prefault({}),
    /**
     * `mixed-bfloat16`: the large products of a step round their factors to bfloat16 and sum in float32; all else, weights
     * and checkpoints included, is float32. Faster by a quarter on processors that have instructions for it.
     */
    precision: z.enum(['float32', 'mixed-bfloat16']).default('float32'),
    /** Put over the method's own view policies, e.g. `{ cropScale: [0.3, 1] }`. */
    views: ViewPolicy.partial().strict().prefault({}),
    /** Images of one step. */
    batchSize: z.number().int().min(2).max(65_536).default(128),
    /**
     * Parts that a step's batch is computed in, one after the other, their gradients averaged: less memory, and for
     * losses that are means over images the same step. A contrastive loss sees the negatives of its part only. In a
     * multi-task run every part draws a task and a shape of its own.
     */
    accumulate: z.number().int().min(1).default(1),
    fusion: RunFusion.optional(),
    /** Moving average of the weights; a checkpoint's weights are then the averaged ones, the raw ones stand beside them. */
    ema: z
      .strictObject({
        decay: z.number().min(0).lt(1).default(0.99),
        /** The decay over the run: low at first, `decay` throughout, or from `decay` to 1. */
        ramp: z.enum(['warm-up', 'constant', 'cosine']).default('warm-up'),
      })
      .optional(),
    steps: z.number().int().min(1),
    /**
     * How often an image's modality or body-part code is withheld (the shared code stands in), so that the model
     * also works where the key is unknown. 1 withholds always: then nothing about the image but its pixels is told.
     */
    codeDropout: z
      .object({
        modality: z.number().min(0).max(1).default(0.2),
        bodyPart: z.number().min(0).max(1).default(1),
      })
      .prefault({}),
    seed: z.number().int().default(0),
    /** A checkpoint is written every so many steps and at the end. */
    checkpointEvery: z.number().int().min(1).default(50),
    monitor: MonitorSpec.optional(),
    earlyStop: EarlyStopSpec.optional(),
    health: HealthSpec.prefault({}),
    initial: InitialSpec.optional(),
    keep: KeepSpec.optional(),
    /**
     * Processes that share each batch; the service's setting when absent. No part of what the run computes: its losses
     * are the same up to rounding, and it may go on with more or fewer.
     */
    workers: z.number().int().min(1).max(4096).optional(),
    /**
     * Images or subjects that the run's data sets have in two splits stop it before its first step, or are warned of;
     * `refuse` when absent.
     */
    leakage: LeakagePolicy.optional(),
    codeVersion: z.string().min(1),
  })
  .refine(
    ({ monitor, earlyStop }) => {
      const online = earlyStop && onlineMetric(earlyStop.metric);
      return !online || monitor?.protocols.includes(online.protocol);
    },
    { path: ['earlyStop', 'metric'], error: 'expected loss, or a protocol that monitor.protocols has' },
  )
  .refine(
    ({ monitor, keep }) => {
      const online = keep?.best && onlineMetric(keep.best);
      return !online || monitor?.protocols.includes(online.protocol);
    },
    { path: ['keep', 'best'], error: 'expected loss, or a protocol that monitor.protocols has' },
  )
  .refine(
    ({ monitor, keep, checkpointEvery }) =>
      !keep?.best || !monitor || !onlineMetric(keep.best) || checkpointEvery % monitor.every === 0,
    {
      path: ['keep', 'best'],
      error: 'expected checkpointEvery: a multiple of monitor.every, so that every checkpoint has its score',
    },
  )
  .refine(({ method }) => labelledTasks(method).every(oneLabelDraw.holds), {
    path: ['method', 'labelFraction'],
    error: oneLabelDraw.error,
  })
  .refine(({ dataset, datasets = [] }) => new Set([dataset, ...datasets]).size === datasets.length + 1, {
    path: ['datasets'],
    error: 'expected every data set once, and not the one of dataset',
  })
  .refine(({ method, ema }) => ema || method.name !== 'consistency' || method.teacher === 'none', {
    path: ['ema'],
    error: 'expected { decay: ... }: the moving average is the teacher, unless method.teacher is none',
  })
  .refine(({ method, fusion }) => fusion || !fusesWithinBatch(method), {
    path: ['fusion'],
    error: 'expected { perImage: ... }: method.target compares with fusions',
  })
  .refine(({ method, fusion }) => fusion?.count === undefined || !fusesWithinBatch(method), {
    path: ['fusion', 'count'],
    error: 'expected none: with this method.target fusions are of the images of a batch and have no number',
  });
export type RunSpec = z.infer<typeof RunSpec>;

/** Whether a run's fusions are of images of their own batch; otherwise they are numbered, of all images. */
export function fusesWithinBatch(method: MethodSpec): boolean {
  return method.name === 'consistency' && method.target !== 'view';
}

/** Fused images that come with so many images. */
export function fusedWith(images: number, fusion: RunFusion | undefined): number {
  return fusion ? Math.round(fusion.perImage * images) : 0;
}

/** The tasks that a method learns from labels; none of a pretext task. */
export function labelledTasks(method: MethodSpec): LabelledTaskSpec[] {
  if (method.name === 'multi-task') return method.tasks;
  return 'task' in method ? [{ ordinal: 'softmax', ...method }] : [];
}
export type LabelledTaskSpec = z.infer<z.ZodObject<typeof LabelledTask>>;

/** The run's id: what it computes, and with which code. */
export function runId({ keep: _, leakage: __, workers: ___, ...computed }: RunSpec): string {
  return contentAddress(computed);
}
