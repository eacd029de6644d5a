import { Rng } from '@medformer/schema';
import { type PlannedBatch, PoolOrder, type StepPlan } from './batch-plan.js';

/** The images of one task: the run's groups that are its own. */
export interface TaskPool {
  task: string;
  /** Places among the run's groups, and images of each. */
  groups: readonly { group: number; images: number }[];
}

/**
 * The data order of a run over several tasks, known from the seed alone. Every part of a step draws a task, with
 * probability ~ n^(1/T) for n images, then one of the task's groups by its images, then takes the next batch of that
 * group's current epoch: tasks, shapes and 2D and 3D mix over the parts of a step and over steps, and a batch is of one.
 */
export class MultiTaskPlan implements StepPlan {
  /** Probability of each pool. */
  readonly law: readonly number[];
  private readonly orders = new Map<number, PoolOrder>();
  private nextStep = 1;

  constructor(
    private readonly seed: number,
    private readonly pools: readonly TaskPool[],
    private readonly options: { batchSize: number; parts: number; temperature: number },
  ) {
    this.law = samplingLaw(
      pools.map(({ groups }) => groups.reduce((sum, { images }) => sum + images, 0)),
      options.temperature,
    );
    const size = Math.max(1, Math.floor(options.batchSize / options.parts));
    for (const { task, groups } of pools) {
      for (const [at, { group, images }] of groups.entries())
        this.orders.set(group, new PoolOrder([seed, 'task epoch', task, at], images, Math.min(size, images)));
    }
  }

  next(): PlannedBatch[] {
    const step = this.nextStep;
    this.nextStep += 1;
    return Array.from({ length: this.options.parts }, (_, part) => {
      const rng = Rng.of(this.seed, 'task', step, part);
      const { groups } = this.pools[drawn(this.law, rng.uniform())]!;
      const images = groups.map((each) => each.images);
      const total = images.reduce((sum, count) => sum + count, 0);
      const { group } = groups[drawn(images, rng.uniform(0, total))]!;
      return { group, positions: this.orders.get(group)!.next() };
    });
  }

  skip(steps: number): void {
    for (let done = 0; done < steps; done += 1) this.next();
  }
}

/** Probabilities ~ n^(1/T), e.g. of images a task has; T = 1 in proportion, large T evenly. Adds up to 1. */
export function samplingLaw(images: readonly number[], temperature: number): number[] {
  // By the largest, so that no power overflows.
  const most = Math.max(...images);
  const powers = images.map((count) => (count / most) ** (1 / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Where `at`, from 0 to the sum of the weights, falls. */
function drawn(weights: readonly number[], at: number): number {
  let left = at;
  const found = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return found === -1 ? weights.findLastIndex((weight) => weight > 0) : found;
}
