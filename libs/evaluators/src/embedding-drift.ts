import type { EmbeddingMoments } from '@medformer/schema';
import type { Matrix } from './matrix.js';

/** @param embeddings `[images, width]`, at least one image */
export function momentsOf({ rows, columns, data }: Matrix): EmbeddingMoments {
  const mean = new Float64Array(columns);
  const variance = new Float64Array(columns);
  for (let at = 0; at < rows * columns; at += 1) mean[at % columns]! += data[at]! / rows;
  for (let at = 0; at < rows * columns; at += 1)
    variance[at % columns]! += (data[at]! - mean[at % columns]!) ** 2 / rows;
  return {
    kind: 'medformer.embedding-moments.v1',
    images: rows,
    mean: Array.from(mean),
    variance: Array.from(variance),
  };
}

/**
 * Mean and variance of the embeddings that came last: each image's weight falls by `1 - 1 / window` with each one after it
 * (exponentially weighted moments, West 1979; Finch 2009, section 9). The first `window` images weigh alike.
 */
export class SlidingMoments {
  private count = 0;
  private mean = new Float64Array(0);
  private variance = new Float64Array(0);

  /** @param window images; the weights of those before fall below 1/e of the newest's */
  constructor(private readonly window: number) {}

  /** @param embedding of the width of the first one */
  add(embedding: ArrayLike<number>): void {
    if (this.count === 0) {
      this.mean = new Float64Array(embedding.length);
      this.variance = new Float64Array(embedding.length);
    }
    this.count += 1;
    const weight = 1 / Math.min(this.count, this.window);
    for (let at = 0; at < this.mean.length; at += 1) {
      const off = embedding[at]! - this.mean[at]!;
      this.mean[at]! += weight * off;
      this.variance[at] = (1 - weight) * (this.variance[at]! + weight * off * off);
    }
  }

  /** Undefined before the first image. */
  get moments(): EmbeddingMoments | undefined {
    if (this.count === 0) return undefined;
    const { mean, variance, count } = this;
    return {
      kind: 'medformer.embedding-moments.v1',
      images: Math.min(count, this.window),
      mean: Array.from(mean),
      variance: Array.from(variance),
    };
  }
}

/**
 * The Fréchet distance of two Gaussians with diagonal covariance (Dowson and Landau 1982) over the reference's total
 * variance: 0 for equal distributions, about 1.5 / images by chance alone, 1 where they are as far apart as the
 * reference is wide.
 * @returns undefined for other widths, and for a reference without any spread
 */
export function embeddingDrift(reference: EmbeddingMoments, found: EmbeddingMoments): number | undefined {
  if (reference.mean.length !== found.mean.length) return undefined;
  let distance = 0;
  let spread = 0;
  reference.mean.forEach((mean, at) => {
    const variance = reference.variance[at]!;
    distance += (found.mean[at]! - mean) ** 2 + (Math.sqrt(found.variance[at]!) - Math.sqrt(variance)) ** 2;
    spread += variance;
  });
  return spread > 0 ? distance / spread : undefined;
}
