import type { StoredTensor } from '@medformer/schema';
import { expect, it } from 'vitest';
import { transferredWeights } from './transferred-weights.js';

const CODES = { modalities: ['ct', 'mri'], bodyParts: ['chest'], tasks: ['region'] };

it('gives each key the code it was trained with, and the shared code to a new key', () => {
  const weights = new Map([
    ['input/modality-codes', tensor([3, 2], [0, 0, 1, 1, 2, 2])],
    ['input/body-part-codes', tensor([2, 2], [5, 5, 6, 6])],
  ]);

  const transferred = transferredWeights({ codes: CODES }, weights, {
    modalities: ['mri', 'pet', 'ct', 'xray'],
    bodyParts: [],
    tasks: [],
  });

  expect(transferred.get('input/modality-codes')).toEqual(tensor([5, 2], [0, 0, 2, 2, 0, 0, 1, 1, 0, 0]));
  expect(transferred.get('input/body-part-codes')).toEqual(tensor([1, 2], [5, 5]));
});

it('takes over input Adaptformer, body and shared ends, and leaves behind what belongs to a method or a task', () => {
  const taken = [
    'input/latents',
    'body/norm/gain',
    'output/shared-query',
    'output/cross-attention/key/weight',
  ];
  const left = [
    'method/simclr/projection-0/weight',
    'output/heads/region/bias',
    'output/task-queries/region',
  ];
  const weights = new Map([...taken, ...left].map((name) => [name, tensor([1], [1])]));

  expect([...transferredWeights({ codes: CODES }, weights, CODES).keys()]).toEqual(taken);
});

function tensor(shape: number[], values: number[]): StoredTensor {
  return { dtype: 'F32', shape, data: Float32Array.from(values) };
}
