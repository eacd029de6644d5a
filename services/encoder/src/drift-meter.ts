import { getEmbeddingMoments } from '@medformer/checkpoint';
import { embeddingDrift, SlidingMoments } from '@medformer/evaluators';
import type { ObjectStore } from '@medformer/object-store';
import type { EmbeddingMoments } from '@medformer/schema';

/** Images that the distance is of; fewer than LEAST say nothing. */
const WINDOW = 1000;
const LEAST = 32;
/** An evaluation may write the reference of a model that is served already. */
const LOOK_AGAIN_MS = 30_000;

/** How far the embeddings that a model gave last are from those of its training images. */
export class DriftMeter {
  private readonly recent = new SlidingMoments(WINDOW);
  private reference: EmbeddingMoments | undefined;
  private lookedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly store: ObjectStore,
    private readonly checkpoint: string,
  ) {}

  observe(embedding: Float32Array): void {
    this.recent.add(embedding);
    if (this.reference || performance.now() - this.lookedAt < LOOK_AGAIN_MS) return;
    this.lookedAt = performance.now();
    // A store that does not answer is told of elsewhere; the next look may find it.
    getEmbeddingMoments(this.store, this.checkpoint).then(
      (found) => {
        this.reference = found;
      },
      () => undefined,
    );
  }

  /** 0 and up; undefined without a reference or enough images. */
  get value(): number | undefined {
    const { reference } = this;
    const found = this.recent.moments;
    return reference && found && found.images >= LEAST ? embeddingDrift(reference, found) : undefined;
  }
}
