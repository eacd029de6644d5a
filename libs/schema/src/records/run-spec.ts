import { z } from 'zod';
import { contentAddress } from '../canonical-json.js';
import { MODEL_PRESETS, ModelConfig } from './model-config.js';
import { OptimiserSpec } from './optimiser-spec.js';
import { ContentHash, Slug } from './primitives.js';
import { ViewPolicy } from './view-policy.js';

const Positive = z.number().positive();

/**
 * What a batch is made of. `by-modality`: images of one modality, so that telling images apart needs their anatomy;
 * in a mixed batch the modality alone tells most of them apart.
 */
const Batching = z.enum(['by-modality', 'mixed']);

export const MethodSpec = z.discriminatedUnion('name', [
  z.object({
    name: z.literal('simclr'),
    temperature: Positive.default(0.2),
    projection: z.array(z.number().int().min(1)).min(1).default([256, 64]),
    batching: Batching.default('by-modality'),
  }),
  z.object({
    name: z.literal('barlow-twins'),
    /** Weight of the off-diagonal (redundancy) term; 0.0051 in the paper's code. */
    lambda: Positive.default(0.0051),
    projection: z.array(z.number().int().min(1)).min(1).default([256, 256]),
    batching: Batching.default('by-modality'),
  }),
  z.object({
    name: z.literal('supervised'),
    task: Slug,
    /** Train on this many labelled images per class, drawn by `labelSeed`; all when absent. */
    labelsPerClass: z.number().int().min(1).optional(),
    labelSeed: z.number().int().default(0),
    labelSmoothing: z.number().min(0).max(0.9).default(0),
    batching: Batching.default('mixed'),
  }),
]);
export type MethodSpec = z.infer<typeof MethodSpec>;

/** Everything that decides what a training run computes. Its content address is the run's id. */
export const RunSpec = z.object({
  kind: z.literal('medformer.run.v1').default('medformer.run.v1'),
  dataset: ContentHash,
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
  optimiser: OptimiserSpec.prefault({}),
  /** Put over the method's own view policies, e.g. `{ cropScale: [0.3, 1] }`. */
  views: ViewPolicy.partial().strict().prefault({}),
  /** Images of one step. */
  batchSize: z.number().int().min(2).max(65_536).default(128),
  /**
   * Parts that a step's batch is computed in, one after the other, their gradients averaged: less memory, and for
   * losses that are means over images the same step. A contrastive loss sees the negatives of its part only.
   */
  accumulate: z.number().int().min(1).default(1),
  /** Moving average of the weights; a checkpoint's weights are then the averaged ones, the raw ones stand beside them. */
  ema: z.object({ decay: z.number().min(0).lt(1).default(0.99) }).optional(),
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
  /** Start from this checkpoint's body and shared ends. */
  initialCheckpoint: ContentHash.optional(),
  codeVersion: z.string().min(1),
});
export type RunSpec = z.infer<typeof RunSpec>;

/** The run's id: what it computes, and with which code. */
export function runId(spec: RunSpec): string {
  return contentAddress(spec);
}
