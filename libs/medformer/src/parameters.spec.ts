import type { StoredTensor } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Parameters } from './parameters.js';

const made: Parameters[] = [];
const make = (seed: number, stored?: ReadonlyMap<string, StoredTensor>, initial = stored) => {
  const parameters = new Parameters({
    seed,
    ...(stored ? { stored } : {}),
    ...(initial && initial !== stored ? { initial } : {}),
  });
  made.push(parameters);
  return parameters;
};

beforeAll(async () => {
  await useBackend();
});
afterEach(() => {
  for (const parameters of made.splice(0)) parameters.dispose();
});

it('start from the seed and their own name, whatever else was asked for before', () => {
  const first = make(1);
  const weight = values(first.get('b/weight', [4, 5]));
  const second = make(1);
  second.get('a/weight', [3, 3]);

  expect(values(second.get('b/weight', [4, 5]))).toEqual(weight);
  expect(values(second.get('c/weight', [4, 5]))).not.toEqual(weight);
  expect(values(make(2).get('b/weight', [4, 5]))).not.toEqual(weight);
});

it('start uniform within sqrt(6 / (fan-in + fan-out)), or as they were asked to', () => {
  const parameters = make(1);
  const uniform = values(parameters.get('uniform', [3, 3, 10, 30]));
  const bound = Math.sqrt(6 / (90 + 30));
  expect(Math.max(...uniform.map(Math.abs))).toBeLessThanOrEqual(bound);
  // A uniform distribution's variance is bound^2 / 3.
  expect(variance(uniform) / (bound ** 2 / 3)).toBeCloseTo(1, 1);

  const normal = values(parameters.get('normal', [60, 60], { normal: 0.5 }));
  expect(variance(normal) / 0.25).toBeCloseTo(1, 1);
  expect(values(parameters.get('ones', [2], 'ones'))).toEqual([1, 1]);
  expect(values(parameters.get('zeros', [2], 'zeros'))).toEqual([0, 0]);
  expect(values(parameters.get('given', [2], { values: Float32Array.of(2, 3) }))).toEqual([2, 3]);
});

it('are one variable however often they are asked for, and come in the order of their names', () => {
  const parameters = make(1);
  const [b, a] = [parameters.get('b', [2]), parameters.get('a', [3])];

  expect(parameters.get('b', [2])).toBe(b);
  expect(parameters.entries()).toEqual([
    ['a', a],
    ['b', b],
  ]);
  expect(parameters.size).toBe(5);
});

it('cannot be added once the model is built', () => {
  const parameters = make(1);
  parameters.get('known', [1]);
  parameters.seal();

  expect(parameters.get('known', [1]).shape).toEqual([1]);
  expect(() => parameters.get('unknown', [1])).toThrow('the model has no parameter unknown');
});

it('take stored values where there are some, and refuse others than they need', () => {
  const stored = new Map<string, StoredTensor>([
    ['weight', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
    ['rows', { dtype: 'I32', shape: [2], data: Int32Array.of(1, 2) }],
  ]);

  expect(values(make(1, stored).get('weight', [2, 2]))).toEqual([1, 2, 3, 4]);
  expect(() => make(1, stored).get('weight', [4, 1])).toThrow(
    expect.objectContaining({
      code: 'DATA_LOSS',
      message: 'checkpoint: weight: expected F32 [4,1], found F32 [2,2]',
    }),
  );
  expect(() => make(1, stored).get('rows', [2])).toThrow('checkpoint: rows: expected F32 [2], found I32 [2]');
});

it('are copied out, so that later training does not change what was stored', () => {
  const parameters = make(1);
  const variable = parameters.get('weight', [2], 'zeros');
  const stored = parameters.toStored();
  tf.tidy(() => (variable as tf.Variable).assign(tf.tensor1d([5, 5])));

  expect(stored.get('weight')).toEqual({ dtype: 'F32', shape: [2], data: Float32Array.of(0, 0) });
});

describe('disposing', () => {
  it('frees every variable', () => {
    const before = tf.memory().numTensors;
    const parameters = make(1);
    for (const name of ['a', 'b', 'c']) parameters.get(name, [3, 3]);
    parameters.dispose();

    expect(tf.memory().numTensors).toBe(before);
  });
});

const values = (parameter: tf.Tensor) => [...parameter.dataSync()];

function variance(numbers: number[]): number {
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  return numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length;
}

it('start from initial values whose shape fits, and else as if there were none', () => {
  const initial = new Map<string, StoredTensor>([
    ['a', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }],
    ['b', { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) }],
  ]);
  const parameters = make(1, undefined, initial);

  expect(values(parameters.get('a', [2]))).toEqual([1, 2]);
  expect(values(parameters.get('b', [2]))).toEqual(values(make(1).get('b', [2])));
});
