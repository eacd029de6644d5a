import { z } from 'zod';
import { FusionSpec, MaskSpec } from './fusion-spec.js';
import { OptimiserSpec } from './optimiser-spec.js';

const Share = z.number().min(0).max(1);

/** Everything that decides a generator's training, but for the data set. */
export const GeneratorSpec = z.strictObject({
  /** Spatial axes of the scans it repairs. */
  axes: z.union([z.literal(2), z.literal(3)]).default(2),
  /** Which scans it learns from, how many of them make a fusion and how they are brought to one grid. */
  fusion: FusionSpec.omit({ mask: true, generator: true, seed: true }).prefault({}),
  /** Regions it learns to join, each strategy equally often. */
  masks: z
    .array(MaskSpec)
    .min(1)
    .default([
      MaskSpec.parse({ strategy: 'smooth-fields' }),
      MaskSpec.parse({ strategy: 'voronoi' }),
      MaskSpec.parse({ strategy: 'blocks' }),
      MaskSpec.parse({ strategy: 'tissue' }),
    ]),
  /**
   * Voxels from the borders of regions that are drawn anew, counted along the axes: up to `core` wholly, from `reach` on
   * not at all, linearly between.
   */
  seam: z
    .strictObject({
      core: z.number().min(0).max(16).default(1),
      reach: z.number().min(1).max(32).default(3),
    })
    .refine(({ core, reach }) => core < reach, { error: 'expected core below reach', path: ['core'] })
    .prefault({}),
  network: z
    .strictObject({
      /** Channels at full resolution; they double with each halving. */
      width: z.number().int().min(2).max(256).default(16),
      /** Halvings of the resolution. */
      levels: z.number().int().min(1).max(5).default(2),
    })
    .prefault({}),
  /** How far the regions of a training pair are from each other: standard deviations over regions. */
  differences: z
    .strictObject({
      /** Of the longest edge. */
      shift: Share.default(0.03),
      turnDegrees: z.number().min(0).max(180).default(6),
      /** Of the size: 0.1 is a tenth larger or smaller. */
      zoom: Share.default(0.06),
      /** Of the grey range, at each of four levels of grey above black. */
      grey: Share.default(0.05),
    })
    .prefault({}),
  loss: z
    .strictObject({
      /** Of the differences between neighbours, beside 1 for the grey values. */
      gradient: z.number().min(0).default(1),
      /** Of the contrast between neighbours, which the two others alone would let fall. */
      sharpness: z.number().min(0).default(0.1),
      /** Of the jumps across borders of fusions of several patients, against those of their sources; 0: none are made. */
      seam: z.number().min(0).default(0.1),
    })
    .prefault({}),
  /** Training pairs a step. */
  batchSize: z.number().int().min(1).max(1024).default(16),
  /** Fusions of several patients a step, for the seam loss. */
  fusionBatchSize: z.number().int().min(1).max(1024).default(6),
  steps: z.number().int().min(1).default(1000),
  checkpointEvery: z.number().int().min(1).default(200),
  optimiser: OptimiserSpec.prefault({ learningRate: 2e-3, finalLearningRate: 1e-5, weightDecay: 0 }),
  seed: z.number().int().default(0),
});
export type GeneratorSpec = z.infer<typeof GeneratorSpec>;
