import { Rng } from '@medformer/schema';

/** Which images a step takes: positions within one group of equally shaped images. */
export interface PlannedBatch {
  group: number;
  positions: Int32Array;
}

/**
 * The data order of a run, known from its seed alone: a resumed run asks for step n and gets what the unbroken run got.
 *
 * Every step draws one group with probability proportional to its images, then takes the next batch of that group's
 * current epoch; an epoch is a random order of the group without repetition, and a batch may span two epochs.
 */
export class BatchPlan {
  /** Images of a group already handed out. */
  private readonly taken: number[];
  private nextStep = 1;

  constructor(
    private readonly seed: number,
    private readonly sizes: readonly number[],
    private readonly batchSize: number,
  ) {
    this.taken = sizes.map(() => 0);
  }

  /** Batch size of this group: never more than the group has, so that no image meets itself in a batch. */
  sizeOf(group: number): number {
    return Math.min(this.batchSize, this.sizes[group]!);
  }

  /** The batch of the next step, counted from 1. */
  next(): PlannedBatch {
    const group = this.draw(this.nextStep);
    this.nextStep += 1;
    const size = this.sizeOf(group);
    const images = this.sizes[group]!;
    const positions = new Int32Array(size);
    for (let i = 0; i < size; i += 1) {
      const count = this.taken[group]! + i;
      positions[i] = this.epoch(group, Math.floor(count / images))[count % images]!;
    }
    this.taken[group]! += size;
    return { group, positions };
  }

  /** Goes past the first `steps` steps, as a resumed run does. */
  skip(steps: number): void {
    for (let done = 0; done < steps; done += 1) {
      const group = this.draw(this.nextStep);
      this.nextStep += 1;
      this.taken[group]! += this.sizeOf(group);
    }
  }

  private draw(step: number): number {
    const total = this.sizes.reduce((sum, size) => sum + size, 0);
    let at = Rng.of(this.seed, 'group', step).integer(total);
    return this.sizes.findIndex((size) => {
      at -= size;
      return at < 0;
    });
  }

  private cached: { key: string; order: Int32Array }[] = [];

  private epoch(group: number, epoch: number): Int32Array {
    const key = `${group}/${epoch}`;
    const known = this.cached.find((entry) => entry.key === key);
    if (known) return known.order;
    const order = Rng.of(this.seed, 'epoch', group, epoch).permutation(this.sizes[group]!);
    this.cached = [...this.cached.slice(-7), { key, order }];
    return order;
  }
}
