import { Rng } from '@medformer/schema';

/** Which images a step takes: positions within one group of equally shaped images. */
export interface PlannedBatch {
  group: number;
  positions: Int32Array;
}

/** The data order of a run, step by step. */
export interface StepPlan {
  /** The parts of the next step, counted from 1. */
  next(): PlannedBatch[];
  /** Goes past the first `steps` steps, as a resumed run does. */
  skip(steps: number): void;
}

/**
 * The data order of a run, known from its seed alone: a resumed run asks for step n and gets what the unbroken run got.
 *
 * Every step draws one group with probability proportional to its images, then takes the next batch of that group's
 * current epoch; an epoch is a random order of the group without repetition. A batch may span two epochs: then the
 * images that it already has come later in the new one.
 */
export class BatchPlan {
  private readonly orders: PoolOrder[];
  private nextStep = 1;

  constructor(
    private readonly seed: number,
    private readonly sizes: readonly number[],
    private readonly batchSize: number,
  ) {
    this.orders = sizes.map(
      (images, group) => new PoolOrder([seed, 'epoch', group], images, this.sizeOf(group)),
    );
  }

  /** Batch size of this group: never more than the group has, so that no image meets itself in a batch. */
  sizeOf(group: number): number {
    return Math.min(this.batchSize, this.sizes[group]!);
  }

  next(): PlannedBatch {
    const group = drawGroup(this.seed, this.nextStep, this.sizes);
    this.nextStep += 1;
    return { group, positions: this.orders[group]!.next() };
  }

  skip(steps: number): void {
    for (let done = 0; done < steps; done += 1) this.next();
  }
}

/** A batch in at most so many equal parts, in order; images that fill no part are left out. */
export function inParts({ group, positions }: PlannedBatch, atMost: number): PlannedBatch[] {
  const parts = Math.min(atMost, positions.length);
  const size = Math.floor(positions.length / parts);
  return Array.from({ length: parts }, (_, part) => ({
    group,
    positions: positions.subarray(part * size, (part + 1) * size),
  }));
}

/** The group that a step takes, with probability proportional to its images. */
export function drawGroup(seed: number, step: number, sizes: readonly number[]): number {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let at = Rng.of(seed, 'group', step).integer(total);
  return sizes.findIndex((size) => {
    at -= size;
    return at < 0;
  });
}

/**
 * The order of a pool of images, batch after batch: places in the pool. `key` belongs to the pool; `batch` is at most its
 * size.
 */
export class PoolOrder {
  private epoch = -1;
  private order = new Int32Array();
  private taken = 0;

  constructor(
    private readonly key: readonly (string | number)[],
    private readonly images: number,
    private readonly batch: number,
  ) {}

  next(): Int32Array {
    const rest = this.order.subarray(this.taken, this.taken + this.batch);
    this.taken += rest.length;
    if (rest.length === this.batch) return rest.slice();
    this.begin(new Set(rest));
    const positions = Int32Array.of(...rest, ...this.order.subarray(0, this.batch - rest.length));
    this.taken = this.batch - rest.length;
    return positions;
  }

  /** Starts the next epoch; its first images are none of `present`, which its first batch already has. */
  private begin(present: ReadonlySet<number>): void {
    this.epoch += 1;
    const order = Rng.of(...this.key, this.epoch).permutation(this.images);
    const missing = this.batch - present.size;
    const first = order.filter((position) => !present.has(position)).subarray(0, missing);
    const used = new Set(first);
    this.order = Int32Array.of(...first, ...order.filter((position) => !used.has(position)));
  }
}
