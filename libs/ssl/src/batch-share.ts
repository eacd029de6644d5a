import { ALONE, type Replicas, tf } from '@medformer/tensorflow';

/** Images of one kind, the data set's own or fused ones, that follow each other: `count` from `first` among `of`. */
interface Segment {
  first: number;
  count: number;
  of: number;
}

/**
 * Which images of a batch this process computes, where other processes compute the others, and what a loss asks of all of
 * them. Rows are views, then images, then an image's copies; the whole batch's come in the order that one process alone
 * has them in.
 *
 * A loss gives its share: the mean of all processes' shares is the loss of the whole batch (`Replicas`).
 */
export class BatchShare {
  /** All of it, in one process. */
  static readonly WHOLE = new BatchShare(ALONE, []);

  private constructor(
    readonly replicas: Replicas,
    private readonly segments: readonly Segment[],
  ) {}

  /**
   * This process's part of `images` and their `fusions`, each as even as can be. Of fewer than there are processes
   * every process computes all: no share is empty.
   */
  static of(replicas: Replicas, images: number, fusions: number): BatchShare {
    const { rank, size } = replicas;
    const kinds = fusions > 0 ? [images, fusions] : [images];
    if (size === 1 || kinds.some((count) => count < size)) return BatchShare.WHOLE;
    return new BatchShare(
      replicas,
      kinds.map((of) => ({ ...evenPart(of, rank, size), of })),
    );
  }

  /** Tells shares apart that need other tensors. */
  get key(): string {
    return this.segments.map(({ first, count, of }) => `${first}+${count}/${of}`).join(' ');
  }

  /** Of the images (0) or of the fusions (1) alone. */
  segment(kind: number): BatchShare {
    return this.isWhole ? this : new BatchShare(this.replicas, [this.segments[kind]!]);
  }

  /** First and number of this process's images (0) or fusions (1) among `of`. */
  range(kind: number, of: number): { first: number; count: number } {
    return this.segments[kind] ?? { first: 0, count: of };
  }

  /** Rows of the whole batch where this process has so many. */
  rows(own: number): number {
    return this.isWhole ? own : (own / this.own) * this.all;
  }

  /** This process's share of a sum over rows divided by a number of the whole batch. */
  mean(sum: tf.Tensor, over: number | tf.Tensor): tf.Scalar {
    const { size } = this.replicas;
    return tf.div(size === 1 ? sum : tf.mul(sum, size), over) as tf.Scalar;
  }

  /** The whole batch's sum of a number that has no gradient. */
  total(own: tf.Tensor): tf.Tensor {
    return this.isWhole ? own : this.replicas.sum(own);
  }

  /** Where in the whole batch this process's rows stand, of two views for instance. */
  places(rows: number): Int32Array {
    if (this.isWhole) return Int32Array.from({ length: rows }, (_, row) => row);
    const views = rows / this.own;
    const places: number[] = [];
    for (let view = 0; view < views; view += 1) {
      let base = view * this.all;
      for (const { first, count, of } of this.segments) {
        for (let at = 0; at < count; at += 1) places.push(base + first + at);
        base += of;
      }
    }
    return Int32Array.from(places);
  }

  /**
   * The whole batch's rows, [own rows, D] -> [rows, D], with the gradient of all processes.
   * @param views that the rows are of; an image's further rows are copies that stand together
   */
  gather(x: tf.Tensor, views: number): tf.Tensor {
    return this.replicas.sum(this.placed(x, views, this.rows(x.shape[0]!)));
  }

  /** This process's among the first `most` rows of the whole batch, 0 in place of others: [own rows, D] -> [most, D]. */
  placed(x: tf.Tensor, views: number, most: number): tf.Tensor {
    const [rows, width] = x.shape as [number, number];
    if (this.isWhole) return most < rows ? tf.slice(x, [0, 0], [most, width]) : x;
    const copies = rows / views / this.own;
    const pieces: tf.Tensor[] = [];
    let [own, left] = [0, most];
    for (let view = 0; view < views; view += 1) {
      for (const segment of this.segments) {
        const of = Math.min(segment.of * copies, left);
        const first = Math.min(segment.first * copies, of);
        const count = Math.min(segment.count * copies, of - first);
        if (of > 0) {
          const taken = tf.slice(x, [own, 0], [count, width]);
          pieces.push(
            count > 0
              ? tf.pad(taken, [
                  [first, of - first - count],
                  [0, 0],
                ])
              : tf.zeros([of, width]),
          );
        }
        own += segment.count * copies;
        left -= of;
      }
    }
    return tf.concat(pieces);
  }

  /**
   * Mean and variance of each column over the whole batch's rows, [rows, D] -> [1, D] each, with the gradient of all
   * processes. Combined of the processes' own means and squares about them (Chan et al. 1979), which cancels nothing.
   */
  moments(x: tf.Tensor): { mean: tf.Tensor; variance: tf.Tensor } {
    const [rows, width] = x.shape as [number, number];
    const own = tf.mean(x, 0, true);
    const centred = tf.square(tf.sub(x, own));
    if (this.isWhole) return { mean: own, variance: tf.mean(centred, 0, true) };
    const { rank, size } = this.replicas;
    const packed = tf.concat([own, tf.sum(centred, 0, true)], 1);
    const placed = tf.pad(packed, [
      [rank, size - 1 - rank],
      [0, 0],
    ]);
    const [means, squares] = tf.split(this.replicas.sum(placed), 2, 1) as [tf.Tensor, tf.Tensor];
    const shares = Array.from({ length: size }, (_, of) => this.ownOf(of) / this.all);
    const weights = tf.tensor2d(shares, [size, 1]);
    const mean = tf.sum(tf.mul(means, weights), 0, true);
    const between = tf.sum(tf.mul(tf.square(tf.sub(means, mean)), weights), 0, true);
    const within = tf.div(tf.sum(squares, 0, true), (rows / this.own) * this.all);
    return { mean: tf.reshape(mean, [1, width]), variance: tf.add(between, within) };
  }

  private get isWhole(): boolean {
    return this.segments.length === 0;
  }

  private get own(): number {
    return this.segments.reduce((sum, { count }) => sum + count, 0);
  }

  private get all(): number {
    return this.segments.reduce((sum, { of }) => sum + of, 0);
  }

  private ownOf(rank: number): number {
    return this.segments.reduce((sum, { of }) => sum + evenPart(of, rank, this.replicas.size).count, 0);
  }
}

function evenPart(of: number, rank: number, size: number): { first: number; count: number } {
  const from = (at: number) => Math.floor((at * of) / size);
  return { first: from(rank), count: from(rank + 1) - from(rank) };
}
