import { readFileSync } from 'node:fs';
import { OptimiserSpec } from '@medformer/schema';
import { recordStep, tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { emaDecayAt } from './ema-decay.js';
import { batchFactor, learningRateAt } from './learning-rate.js';
import { type OptimiserState, optimiserOf, type UpdateInput } from './optimiser.js';

interface Golden {
  optimisers: {
    settings: { name: OptimiserSpec['name']; nesterov?: boolean; convention?: string; weightDecay: number };
    shapes: number[][];
    start: number[];
    steps: { learningRate: number; gradient: number[]; parameters: number[] }[];
  }[];
  schedules: { settings: Parameters<typeof learningRateAt>[2]; rates: number[] }[];
  barlowTwinsSchedule: { warmupSteps: number; batchSize: number; learningRate: number; rates: number[] };
  cosineDecay: { decay: number; steps: number; values: number[] }[];
}

// Written by tools/golden/optimisers.py.
const golden: Golden = JSON.parse(
  readFileSync(new URL('../golden/optimisers.json', import.meta.url), 'utf8'),
);

const CASES = golden.optimisers.map((one) => ({
  ...one,
  title: JSON.stringify(one.settings).replaceAll(/[{}"]/g, ''),
}));

beforeAll(async () => {
  await useBackend();
});

describe('optimisers, step for step against their reference', () => {
  it.each(CASES)('$title', ({ settings, shapes, start, steps }) => {
    const step = optimiserStep(settings, shapes);
    let state = step.start(start);
    steps.forEach((expected, index) => {
      state = step.update(state, index + 1, expected);
      expectClose(state.parameters, expected.parameters);
    });
  });

  it.each(CASES)(
    '$title: recorded into one function, the same',
    async ({ settings, shapes, start, steps }) => {
      const optimiser = optimiserOf(OptimiserSpec.parse(settings));
      const step = optimiserStep(settings, shapes);
      const first = step.start(start);
      const vectors = [first.parameters, ...optimiser.slots.map((slot) => first.slots[slot]!)].map((vector) =>
        tf.variable(vector),
      );
      const inputs = (index: number) => {
        const { gradient, learningRate, scalars } = step.input(index + 1, steps[index]!);
        return [gradient, learningRate, scalars];
      };
      const recorded = recordStep(
        ([gradient, learningRate, scalars]) => {
          const [parameters, ...slots] = vectors;
          const before = {
            parameters: parameters!,
            slots: Object.fromEntries(optimiser.slots.map((slot, index) => [slot, slots[index]!])),
          };
          const after = optimiser.update(before, {
            ...step.fixed,
            gradient: gradient!,
            learningRate: learningRate!,
            scalars: scalars!,
          });
          parameters!.assign(after.parameters);
          optimiser.slots.forEach((slot, index) => {
            slots[index]!.assign(after.slots[slot]!);
          });
          return [tf.sum(after.parameters)];
        },
        inputs(0),
        vectors,
      );
      for (const [index, expected] of steps.entries()) {
        tf.dispose(await recorded.run(inputs(index)));
        expectClose(vectors[0]!, expected.parameters);
      }
      recorded.dispose();
    },
  );
});

describe('schedules', () => {
  it.each(golden.schedules)('$settings.schedule.name as PyTorch has it', ({ settings, rates }) => {
    const found = rates.map((_, index) => learningRateAt(index + 1, rates.length, settings));

    expectNear(found, rates);
  });

  it('cosine as Barlow Twins has it, one step ahead: the step of rate 0 is left out, the last one reached', () => {
    const { warmupSteps, batchSize, learningRate, rates } = golden.barlowTwinsSchedule;
    const settings = {
      warmupSteps,
      learningRate,
      finalLearningRate: 0.001 * learningRate,
      schedule: { name: 'cosine' as const },
    };
    const factor = batchFactor('linear', batchSize);
    const found = rates.slice(1).map((_, at) => factor * learningRateAt(at + 1, rates.length - 1, settings));

    expect(rates[0]).toBe(0);
    expectNear(found, rates.slice(1));
  });

  it.each(golden.cosineDecay)(
    'a moving average from $decay to 1 as BYOL has it',
    ({ decay, steps, values }) => {
      const found = values.map((_, index) => emaDecayAt(index + 1, steps, { decay, ramp: 'cosine' }));

      expectNear(found, values);
    },
  );
});

/** One optimiser on one set of tensors; weight decay for those with more than one axis. */
function optimiserStep(settings: object, shapes: number[][]) {
  const optimiser = optimiserOf(OptimiserSpec.parse(settings));
  const sizes = shapes.map((shape) => shape.reduce((product, edge) => product * edge, 1));
  const fixed = {
    decayed: tf.concat(sizes.map((size, index) => tf.fill([size], shapes[index]!.length > 1 ? 1 : 0))),
    layout: { sizes, shapes },
  };
  const input = (step: number, at: { learningRate: number; gradient: number[] }): UpdateInput => ({
    ...fixed,
    gradient: tf.tensor1d(at.gradient),
    learningRate: tf.tensor1d([at.learningRate]),
    scalars: tf.tensor1d(optimiser.scalars(step), 'float32'),
  });
  return {
    fixed,
    input,
    start: (parameters: number[]): OptimiserState => ({
      parameters: tf.tensor1d(parameters),
      slots: Object.fromEntries(optimiser.slots.map((slot) => [slot, tf.zeros([parameters.length])])),
    }),
    update: (state: OptimiserState, step: number, at: { learningRate: number; gradient: number[] }) =>
      optimiser.update(state, input(step, at)),
  };
}

/** Within 1e-6, or a float32's resolution of larger numbers. */
function expectClose(found: tf.Tensor, expected: number[]): void {
  const values = [...found.dataSync()];
  expect(values.length).toBe(expected.length);
  const worst = values.map(
    (value, at) => Math.abs(value - expected[at]!) / Math.max(1, Math.abs(expected[at]!)),
  );
  expect(Math.max(...worst)).toBeLessThan(1e-6);
}

function expectNear(found: number[], expected: number[]): void {
  expect(found.length).toBe(expected.length);
  found.forEach((value, index) => {
    expect(value).toBeCloseTo(expected[index]!, 12);
  });
}
