import { describe, expect, it } from 'vitest';
import { MultiTaskPlan, samplingLaw, type TaskPool } from './multi-task-plan.js';

const POOLS: TaskPool[] = [
  {
    task: 'large',
    groups: [
      { group: 0, images: 3000 },
      { group: 1, images: 1000 },
    ],
  },
  { task: 'middle', groups: [{ group: 2, images: 400 }] },
  { task: 'small', groups: [{ group: 3, images: 40 }] },
];
const planOf = (options: { temperature?: number; parts?: number; seed?: number } = {}) =>
  new MultiTaskPlan(options.seed ?? 0, POOLS, {
    batchSize: 16,
    parts: options.parts ?? 1,
    temperature: options.temperature ?? 2,
  });

describe('the sampling law', () => {
  it.each([
    [1, [4000 / 4440, 400 / 4440, 40 / 4440]],
    [2, [10, Math.sqrt(10), 1].map((root) => root / (11 + Math.sqrt(10)))],
    [1e9, [1 / 3, 1 / 3, 1 / 3]],
  ])('at temperature %d is %j', (temperature, expected) => {
    for (const [at, share] of samplingLaw([4000, 400, 40], temperature).entries())
      expect(share).toBeCloseTo(expected[at]!, 6);
  });

  it('stands however many images there are, and sums to 1', () => {
    const law = samplingLaw([1e300, 1, 3], 0.5);
    expect(law.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(law[0]).toBe(1);
  });
});

describe('the order of several tasks', () => {
  it.each([1, 2, 5])(
    'takes each task as often as the law says, so that none starves: temperature %d',
    (temperature) => {
      const steps = 4000;
      const plan = planOf({ temperature });
      const counts = [0, 0, 0, 0];
      for (let step = 0; step < steps; step += 1) counts[plan.next()[0]!.group]! += 1;

      const [large, middle, small] = samplingLaw([4000, 400, 40], temperature) as [number, number, number];
      for (const [at, share] of [large * 0.75, large * 0.25, middle, small].entries()) {
        // Four standard errors of a binomial count.
        const error = 4 * Math.sqrt((share * (1 - share)) / steps);
        expect(Math.abs(counts[at]! / steps - share)).toBeLessThan(error);
        expect(counts[at]).toBeGreaterThan(0);
      }
    },
  );

  it('goes through the images of a group without repetition, whatever the other tasks do', () => {
    const plan = planOf();
    const seen: number[] = [];
    while (seen.length < 32) {
      const [{ group, positions }] = plan.next() as [{ group: number; positions: Int32Array }];
      if (group === 3) seen.push(...positions);
    }
    expect(new Set(seen).size).toBe(32);
  });

  it('gives every part of a step a task of its own, with its share of the batch', () => {
    const plan = planOf({ parts: 4, temperature: 1e9 });
    const steps = Array.from({ length: 50 }, () => plan.next());

    expect(steps.every((parts) => parts.length === 4)).toBe(true);
    for (const { positions } of steps.flat()) {
      expect(positions).toHaveLength(4);
      expect(new Set(positions).size).toBe(4);
    }
    expect(steps.some((parts) => new Set(parts.map(({ group }) => group)).size > 2)).toBe(true);
  });

  it('is known from seed and step: a resumed run gets what the unbroken one got', () => {
    const unbroken = planOf();
    for (let step = 0; step < 37; step += 1) unbroken.next();
    const resumed = planOf();
    resumed.skip(37);
    expect(Array.from({ length: 20 }, () => resumed.next())).toEqual(
      Array.from({ length: 20 }, () => unbroken.next()),
    );
    expect(planOf({ seed: 1 }).next()).not.toEqual(planOf().next());
  });

  it('never takes more than a group has', () => {
    const few = new MultiTaskPlan(0, [{ task: 'few', groups: [{ group: 0, images: 3 }] }], {
      batchSize: 16,
      parts: 1,
      temperature: 2,
    });
    expect([...few.next()[0]!.positions].sort()).toEqual([0, 1, 2]);
  });
});
