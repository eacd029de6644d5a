import { z } from 'zod';
import { BootstrapSpec, Interval } from './evaluation-metric.js';
import { LABEL_DRAW, oneLabelDraw } from './label-draw.js';
import { ContentHash, Slug } from './primitives.js';
import { Protocol } from './score-report.js';

/**
 * What a checkpoint has to show before it answers: a score on a data set of at least `minimum`, and, where another
 * checkpoint answers now, no sign that it is worse than that one by more than `margin`.
 */
export const GateSpec = z
  .strictObject({
    dataset: ContentHash,
    /** As of an evaluation. */
    trainDataset: ContentHash.optional(),
    task: Slug,
    split: z.enum(['val', 'test']).default('test'),
    modalities: z.array(Slug).min(1).optional(),
    dimensions: z
      .array(z.union([z.literal(2), z.literal(3)]))
      .min(1)
      .default([2]),
    protocol: Protocol.default('linear-probe'),
    ...LABEL_DRAW,
    seeds: z.array(z.number().int()).min(1).default([0, 1, 2]),
    /** Those whose difference the paired bootstrap tests. */
    metric: z.enum(['auc', 'accuracy']).default('auc'),
    /** Of the mean over seeds. */
    minimum: z.number().min(0).max(1),
    /**
     * The lower end of the paired interval of candidate less served has to be at least minus this: of two that are
     * equal a wide interval, of too few images, is refused too.
     */
    margin: z.number().min(0).max(1).default(0.01),
    intervals: BootstrapSpec.default(BootstrapSpec.parse({})),
  })
  .refine(oneLabelDraw.holds, { path: ['labelFraction'], error: oneLabelDraw.error });
export type GateSpec = z.infer<typeof GateSpec>;

/** What a gate decided of a candidate and why; kept whatever it decided. */
export const Promotion = z.object({
  kind: z.literal('medformer.promotion.v1'),
  gate: GateSpec,
  candidate: ContentHash,
  /** The checkpoint that answered, if one did. */
  served: ContentHash.optional(),
  /** Content address of the score report that it was decided by. */
  report: ContentHash,
  score: z.number(),
  servedScore: z.number().optional(),
  /** Candidate less served. */
  difference: z.number().optional(),
  interval: Interval.optional(),
  promoted: z.boolean(),
  /** Why not, a sentence each; empty of what is promoted. */
  reasons: z.array(z.string()),
  codeVersion: z.string(),
});
export type Promotion = z.infer<typeof Promotion>;
