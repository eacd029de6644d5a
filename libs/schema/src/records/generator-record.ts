import { z } from 'zod';
import { Blobs, Runtime } from './checkpoint-record.js';
import { GeneratorSpec } from './generator-spec.js';
import { ContentHash } from './primitives.js';

/** One logged step of a generator's training. */
export const GeneratorEntry = z.object({
  step: z.number().int().min(0),
  learningRate: z.number(),
  /** The weighted sum that the generator falls along. */
  loss: z.number(),
  /** Mean absolute error of the grey values, per voxel drawn anew. */
  pixel: z.number(),
  /** Of the differences between neighbours. */
  gradient: z.number(),
  /** Relative error of an image's contrast between neighbours where it is drawn anew. */
  sharpness: z.number(),
  /** Relative error of the jumps across borders of fusions; of a run that makes some. */
  seam: z.number().optional(),
  gradientNorm: z.number(),
});
export type GeneratorEntry = z.infer<typeof GeneratorEntry>;

/** The sidecar of a generator and its commit point: written after the blobs it names. A fusion spec names its address. */
export const GeneratorRecord = z.object({
  kind: z.literal('medformer.generator.v1'),
  spec: GeneratorSpec,
  step: z.number().int().min(0),
  /** Of the scans: 1 for grey, 3 for colour. */
  channels: z.number().int().min(1),
  /** Weights of the generator. */
  weights: Blobs,
  /** What else a run goes on from: the optimiser's moments. */
  optimiser: Blobs,
  dataset: ContentHash,
  codeVersion: z.string().min(1),
  runtime: Runtime.optional(),
  history: z.array(GeneratorEntry),
});
export type GeneratorRecord = z.infer<typeof GeneratorRecord>;
