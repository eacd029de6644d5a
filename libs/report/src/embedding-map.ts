import { setImmediate } from 'node:timers/promises';
import { MedformerError, type Rng } from '@medformer/schema';
import { UMAP } from 'umap-js';

/** Between two of these the event loop turns, so that a cancellation is seen. */
const EPOCHS_PER_TURN = 10;

/** The thinnest cloud that has neighbours to speak of. */
const MIN_POINTS = 4;

/**
 * A planar map of embeddings by UMAP (McInnes et al. 2018) with cosine distance; the same for the same generator.
 * Near points are near embeddings; distances between far groups mean little.
 * @param embeddings `[images][width]`
 * @returns `[images]` points, centred; empty for fewer than four images
 */
export async function mapEmbeddings(
  embeddings: readonly ArrayLike<number>[],
  rng: Rng,
  signal?: AbortSignal,
): Promise<{ x: number; y: number }[]> {
  if (embeddings.length < MIN_POINTS) return [];
  const umap = new UMAP({
    nComponents: 2,
    nNeighbors: Math.min(15, embeddings.length - 1),
    minDist: 0.15,
    // Layouts of some hundred points have settled by then; the library's own choice is 500.
    nEpochs: 200,
    distanceFn: cosineDistance,
    random: () => rng.uniform(),
  });
  const epochs = umap.initializeFit(embeddings.map((row) => Array.from(row)));
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    if (epoch % EPOCHS_PER_TURN === 0) await setImmediate();
    signal?.throwIfAborted();
    umap.step();
  }
  const placed = umap.getEmbedding();
  if (placed.some((point) => !point.every(Number.isFinite))) {
    throw new MedformerError('FAILED_PRECONDITION', 'embedding map: the embeddings hold NaN or infinities');
  }
  const centre = [0, 1].map((axis) => placed.reduce((sum, point) => sum + point[axis]!, 0) / placed.length);
  // Four digits place a point; more only make the record long.
  const round = (value: number) => Math.round(value * 1e4) / 1e4;
  return placed.map(([x, y]) => ({ x: round(x! - centre[0]!), y: round(y! - centre[1]!) }));
}

function cosineDistance(x: number[], y: number[]): number {
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let at = 0; at < x.length; at += 1) {
    xy += x[at]! * y[at]!;
    xx += x[at]! ** 2;
    yy += y[at]! ** 2;
  }
  return xx === 0 || yy === 0 ? 1 : Math.max(0, 1 - xy / Math.sqrt(xx * yy));
}
