import { z } from 'zod';

/** Mean and variance of a checkpoint's embeddings of training images, per feature: what drift is measured from. */
export const EmbeddingMoments = z
  .object({
    kind: z.literal('medformer.embedding-moments.v1'),
    images: z.number().int().min(1),
    mean: z.array(z.number()).min(1),
    variance: z.array(z.number().min(0)).min(1),
  })
  .refine(({ mean, variance }) => mean.length === variance.length, {
    error: 'expected as many variances as means',
  });
export type EmbeddingMoments = z.infer<typeof EmbeddingMoments>;
