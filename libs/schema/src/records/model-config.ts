import { z } from 'zod';

/** A power of two: the stem halves the image once per factor. */
const Patch = z.union([z.literal(2), z.literal(4), z.literal(8), z.literal(16), z.literal(32)]);
const Size = z.number().int().min(1);

/** The Medformer's shape. The thesis leaves these open; the presets are this project's own choices. */
export const ModelConfig = z
  .object({
    /** Width of tokens, latents and embedding. */
    width: Size.max(4096),
    /** Pre-norm transformer blocks of the body. */
    depth: Size.max(64),
    heads: Size.max(64),
    /** Latents that read the tokens by cross-attention: the body's cost does not depend on image size. */
    latents: Size.max(4096),
    mlpRatio: z.number().min(0.5).max(8),
    /** Edge of a 2D patch in pixels and of a 3D patch in voxels. */
    patch2d: Patch,
    patch3d: Patch,
    /** Fourier frequencies per spatial axis in the position codes. */
    frequencies: Size.max(64),
  })
  .refine((model) => model.width % model.heads === 0, {
    path: ['heads'],
    error: 'expected a divisor of width',
  });
export type ModelConfig = z.infer<typeof ModelConfig>;

export const MODEL_PRESETS = {
  nano: { width: 96, depth: 4, heads: 3, latents: 16, mlpRatio: 3, patch2d: 4, patch3d: 4, frequencies: 8 },
  tiny: { width: 192, depth: 6, heads: 3, latents: 64, mlpRatio: 4, patch2d: 4, patch3d: 4, frequencies: 16 },
  small: {
    width: 384,
    depth: 12,
    heads: 6,
    latents: 128,
    mlpRatio: 4,
    patch2d: 8,
    patch3d: 8,
    frequencies: 16,
  },
  base: {
    width: 768,
    depth: 12,
    heads: 12,
    latents: 256,
    mlpRatio: 4,
    patch2d: 16,
    patch3d: 8,
    frequencies: 16,
  },
} as const satisfies Record<string, ModelConfig>;
