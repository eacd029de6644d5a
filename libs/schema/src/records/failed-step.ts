import { z } from 'zod';
import { ContentHash, Slug } from './primitives.js';
import { TaskHead } from './task-head.js';
import { ViewPolicy } from './view-policy.js';

const Blobs = z.array(z.object({ sha256: ContentHash, bytes: z.number().int().min(0) })).min(1);

const Shape = z.array(z.number().int().min(1));

/**
 * A step that gave no finite loss or gradient, with all that it was computed from: it can be computed again, alone. The
 * weights are those before the step.
 */
export const FailedStep = z.object({
  kind: z.literal('medformer.failed-step.v1'),
  run: ContentHash,
  dataset: ContentHash,
  codeVersion: z.string().min(1),
  step: z.number().int().min(1),
  /** As text, since JSON has no NaN: `NaN`, `Infinity`, `-Infinity` or a number. */
  loss: z.string(),
  gradientNorm: z.string(),
  /**
   * The parts of the batch, in order. View v of image i was drawn from the run's seed, the step, v and i, under
   * `policies`; codes and arrangement follow from the seed and the step too.
   */
  parts: z.array(
    z.object({
      /** Ids of the images, in the order of the first view's rows. */
      images: z.array(z.string()),
      /** Which of the run's groups: images of one shape, and of one modality where batches are. */
      group: z.number().int().min(0),
      /** Whose labels they are, in a run of several tasks. */
      task: Slug.optional(),
    }),
  ),
  seed: z.number().int(),
  /** What the model was built for: keys with codes, tasks with their classes, [...spatial, channels] of the images. */
  codes: z.object({ modalities: z.array(Slug), bodyParts: z.array(Slug), tasks: z.array(Slug) }),
  heads: z.array(TaskHead),
  shapes: z.array(Shape).min(1),
  policies: z.array(ViewPolicy),
  /** What the step was fed: `<part>/x`, `<part>/modality`, `<part>/bodyPart`, `<part>/labels`, `<part>/drawn/<name>`. */
  inputs: Blobs,
  weights: Blobs,
  /** Optimiser slots, and the raw weights beside averaged ones, as in a checkpoint. */
  optimiser: Blobs,
});
export type FailedStep = z.infer<typeof FailedStep>;
