import { describe, expect, it } from 'vitest';
import { type Pools, SemiSupervisedPlan } from './semi-supervised-plan.js';

const POOLS: Pools[] = [
  { labelled: [3, 7, 20, 21], unlabelled: range(30).filter((at) => ![3, 7, 20, 21].includes(at)) },
  { labelled: [], unlabelled: range(12) },
];

describe('the plan of semi-supervised training', () => {
  it('takes the asked share of labelled images, and no image twice in a batch', () => {
    const plan = new SemiSupervisedPlan(0, POOLS, 8, 0.25);
    for (let step = 0; step < 60; step += 1) {
      const { group, positions } = plan.next();
      const labelled = [...positions].filter((at) => POOLS[group]!.labelled.includes(at));

      expect(positions.length).toBe(8);
      expect(new Set(positions).size).toBe(8);
      expect(labelled.length).toBe(group === 0 ? 2 : 0);
    }
  });

  it('shows every labelled and every unlabelled image equally often among its kind', () => {
    const plan = new SemiSupervisedPlan(1, [POOLS[0]!], 8, 0.25);
    const seen = new Map<number, number>();
    // 13 steps are 3 epochs of the 26 unlabelled and 6.5 of the 4 labelled images.
    for (let step = 0; step < 13; step += 1)
      for (const at of plan.next().positions) seen.set(at, (seen.get(at) ?? 0) + 1);

    for (const at of POOLS[0]!.unlabelled) expect(seen.get(at)).toBe(3);
    for (const at of POOLS[0]!.labelled) expect([6, 7]).toContain(seen.get(at));
  });

  it('is known from the seed, and goes on at any step as if it had not stopped', () => {
    const positionsOf = (seed: number, skipped: number, steps: number) => {
      const plan = new SemiSupervisedPlan(seed, POOLS, 8, 0.5);
      plan.skip(skipped);
      return Array.from({ length: steps }, () => plan.next());
    };
    const unbroken = positionsOf(4, 0, 20);

    expect(positionsOf(4, 0, 20)).toEqual(unbroken);
    expect(positionsOf(4, 7, 13)).toEqual(unbroken.slice(7));
    expect(positionsOf(5, 0, 20)).not.toEqual(unbroken);
  });

  it('spreads the labelled images, so that each part of an accumulated step has its share', () => {
    const [pools] = POOLS as [Pools];
    const plan = new SemiSupervisedPlan(2, [pools], 8, 0.5);
    for (let step = 0; step < 10; step += 1) {
      const { positions } = plan.next();
      for (const part of [positions.slice(0, 4), positions.slice(4)])
        expect([...part].filter((at) => pools.labelled.includes(at)).length).toBe(2);
    }
  });

  it('takes what there is: all labelled of a few, and labelled ones in place of missing unlabelled ones', () => {
    const sizes = (labelled: number, unlabelled: number, batch: number, share: number) => {
      const pools = { labelled: range(labelled), unlabelled: range(unlabelled).map((at) => 100 + at) };
      const { positions } = new SemiSupervisedPlan(0, [pools], batch, share).next();
      const few = [...positions].filter((at) => at < 100).length;
      return [few, positions.length - few];
    };

    expect(sizes(3, 50, 16, 0.5)).toEqual([3, 13]);
    expect(sizes(40, 2, 16, 0.25)).toEqual([14, 2]);
    expect(sizes(40, 0, 16, 0.25)).toEqual([16, 0]);
    expect(sizes(5, 6, 16, 0.25)).toEqual([5, 6]);
    expect(sizes(20, 50, 16, 0.01)).toEqual([1, 15]);
    expect(sizes(20, 50, 16, 1)).toEqual([16, 0]);
  });
});

function range(length: number): number[] {
  return Array.from({ length }, (_, at) => at);
}
