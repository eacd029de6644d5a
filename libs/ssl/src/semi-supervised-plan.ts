import type { MethodSpec } from '@medformer/schema';
import { drawGroup, type PlannedBatch, PoolOrder } from './batch-plan.js';
import type { TrainingGroup } from './training-group.js';

type ConsistencySpec = Extract<MethodSpec, { name: 'consistency' }>;

/** Positions within a group by whether the run may see their label. */
export interface Pools {
  labelled: number[];
  unlabelled: number[];
}

/**
 * The data order of semi-supervised training, known from the seed alone: each step takes a share of labelled images of
 * one group and fills up with unlabelled ones. Both kinds go through epochs of their own, so that the few labelled
 * images come by often; where the unlabelled ones are too few, labelled ones fill up. Labelled ones stand evenly spread: the parts of an accumulated step have their share each.
 */
export class SemiSupervisedPlan {
  private readonly orders: { labelled: PoolOrder; unlabelled: PoolOrder; counts: [number, number] }[];
  private readonly sizes: number[];
  private nextStep = 1;

  constructor(
    private readonly seed: number,
    private readonly pools: readonly Pools[],
    batchSize: number,
    labelledShare: number,
  ) {
    this.sizes = pools.map(({ labelled, unlabelled }) => labelled.length + unlabelled.length);
    this.orders = pools.map(({ labelled, unlabelled }, group) => {
      const wanted = Math.max(1, Math.round(labelledShare * batchSize), batchSize - unlabelled.length);
      const few = Math.min(wanted, labelled.length);
      const counts: [number, number] = [few, Math.min(batchSize - few, unlabelled.length)];
      return {
        labelled: new PoolOrder([seed, 'labelled epoch', group], labelled.length, counts[0]),
        unlabelled: new PoolOrder([seed, 'unlabelled epoch', group], unlabelled.length, counts[1]),
        counts,
      };
    });
  }

  next(): PlannedBatch {
    const group = drawGroup(this.seed, this.nextStep, this.sizes);
    this.nextStep += 1;
    const { labelled, unlabelled, counts } = this.orders[group]!;
    const pools = this.pools[group]!;
    const taken = {
      labelled: [...labelled.next()].map((at) => pools.labelled[at]!),
      unlabelled: [...unlabelled.next()].map((at) => pools.unlabelled[at]!),
    };
    return { group, positions: spread(taken.labelled, taken.unlabelled, counts[0] + counts[1]) };
  }

  skip(steps: number): void {
    for (let done = 0; done < steps; done += 1) this.next();
  }
}

/** Which images of each group carry a label of the method's task. */
export function poolsOf({ task }: Pick<ConsistencySpec, 'task'>, groups: readonly TrainingGroup[]): Pools[] {
  return groups.map(({ records }) => {
    const pools: Pools = { labelled: [], unlabelled: [] };
    for (const [position, { labels, mixtures }] of records.entries()) {
      const isKnown = typeof labels[task] === 'number' || mixtures?.[task] !== undefined;
      pools[isKnown ? 'labelled' : 'unlabelled'].push(position);
    }
    return pools;
  });
}

/** The few at even distances among the many. */
function spread(few: readonly number[], many: readonly number[], size: number): Int32Array {
  const positions = new Int32Array(size);
  let taken = 0;
  for (let at = 0; at < size; at += 1) {
    const due = Math.ceil(((at + 1) * few.length) / size);
    positions[at] = due > taken ? few[taken]! : many[at - taken]!;
    if (due > taken) taken += 1;
  }
  return positions;
}
