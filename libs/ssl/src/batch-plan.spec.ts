import { describe, expect, it } from 'vitest';
import { BatchPlan, type PlannedBatch } from './batch-plan.js';

const batches = (plan: BatchPlan, steps: number) => Array.from({ length: steps }, () => plan.next());

describe('the data order', () => {
  it('takes every image once per epoch', () => {
    const plan = new BatchPlan(1, [24], 8);
    const epochs = [0, 1, 2].map(() => batches(plan, 3).flatMap(({ positions }) => [...positions]));

    for (const epoch of epochs) {
      expect([...epoch].sort((x, y) => x - y)).toEqual(Array.from({ length: 24 }, (_, at) => at));
    }
    expect(epochs[1]).not.toEqual(epochs[0]);
    expect(epochs[2]).not.toEqual(epochs[1]);
  });

  it('takes every image equally often, also when the batch does not divide the images', () => {
    const plan = new BatchPlan(2, [10], 4);
    const counts = new Array<number>(10).fill(0);
    // 500 steps of 4 are 200 epochs of 10.
    for (const { positions } of batches(plan, 500)) for (const at of positions) counts[at]! += 1;

    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThanOrEqual(1);
  });

  it.each([
    [[10], 8],
    [[10], 7],
    [[5, 9, 3], 4],
    [[3], 128],
  ])('never puts an image twice into a batch: %j images in batches of %i', (sizes, batchSize) => {
    for (let seed = 0; seed < 20; seed += 1) {
      for (const { positions } of batches(new BatchPlan(seed, sizes, batchSize), 50)) {
        expect(new Set(positions).size).toBe(positions.length);
      }
    }
  });

  it('draws groups by their size, and no batch is larger than its group', () => {
    const sizes = [60, 30, 10];
    const planned = batches(new BatchPlan(3, sizes, 16), 3000);

    sizes.forEach((size, group) => {
      const own = planned.filter((batch) => batch.group === group);
      // Three standard deviations of a share of 3000 draws are at most 0.027.
      expect(Math.abs(own.length / 3000 - size / 100)).toBeLessThan(0.027);
      expect(new Set(own.map(({ positions }) => positions.length))).toEqual(new Set([Math.min(16, size)]));
      expect(own.every(({ positions }) => positions.every((at) => at >= 0 && at < size))).toBe(true);
    });
  });

  it('is the same for the same seed, another for another', () => {
    const order = (seed: number) => batches(new BatchPlan(seed, [40, 20], 8), 30);

    expect(order(7)).toEqual(order(7));
    expect(order(8)).not.toEqual(order(7));
  });

  it('goes on after any number of skipped steps as if they had been taken', () => {
    const sizes = [25, 10, 7];
    const unbroken = batches(new BatchPlan(4, sizes, 8), 40);
    for (let done = 0; done < 40; done += 1) {
      const resumed = new BatchPlan(4, sizes, 8);
      resumed.skip(done);

      expect(batches(resumed, 40 - done)).toEqual<PlannedBatch[]>(unbroken.slice(done));
    }
  });
});
