import { badInput, type Rng } from '@medformer/schema';

/**
 * Which of an image's patch tokens are masked, [tokens], 1: masked. Every token gets a uniform number; those with the
 * smallest numbers stay visible (`random_masking` of facebookresearch/mae), so the count is the same for every image.
 * @throws MedformerError INVALID_ARGUMENT when there are not two tokens, one to see and one to predict
 */
export function patchMask(tokens: number, ratio: number, rng: Rng): Float32Array {
  if (tokens < 2)
    throw badInput({ file: 'mae', field: 'patches', expected: 'at least 2 an image', found: String(tokens) });
  const visible = visibleCount(tokens, ratio);
  const noise = Float64Array.from({ length: tokens }, () => rng.uniform());
  const byNoise = Array.from(noise.keys()).sort((one, other) => noise[one]! - noise[other]!);
  const mask = new Float32Array(tokens).fill(1);
  for (const token of byNoise.slice(0, visible)) mask[token] = 0;
  return mask;
}

/** Tokens that stay visible: the share 1 - ratio, rounded down as in the reference, but one at least, and not all. */
export function visibleCount(tokens: number, ratio: number): number {
  return Math.min(tokens - 1, Math.max(1, Math.floor(tokens * (1 - ratio))));
}
