import { type StoredTensor, surprisesOf } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { loadReport, transferredWeights } from './transferred-weights.js';

const CODES = { modalities: ['ct', 'mri'], bodyParts: ['chest'], tasks: ['region'] };

it('gives each key the code it was trained with, and the shared code to a new key', () => {
  const weights = new Map([
    ['input/modality-codes', tensor([3, 2], [0, 0, 1, 1, 2, 2])],
    ['input/body-part-codes', tensor([2, 2], [5, 5, 6, 6])],
  ]);

  const { weights: transferred, reshaped } = transferredWeights({ codes: CODES }, weights, {
    modalities: ['mri', 'pet', 'ct', 'xray'],
    bodyParts: [],
    tasks: [],
  });

  expect(transferred.get('input/modality-codes')).toEqual(tensor([5, 2], [0, 0, 2, 2, 0, 0, 1, 1, 0, 0]));
  expect(transferred.get('input/body-part-codes')).toEqual(tensor([1, 2], [5, 5]));
  expect(reshaped).toEqual([
    { name: 'input/modality-codes', from: [3, 2], to: [5, 2] },
    { name: 'input/body-part-codes', from: [2, 2], to: [1, 2] },
  ]);
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

  const transfer = transferredWeights({ codes: CODES }, weights, CODES);
  expect([...transfer.weights.keys()]).toEqual(taken);
  expect(transfer.leftBehind.map(({ name }) => name)).toEqual(left);
  expect(transfer.reshaped).toEqual([]);
});

describe('a load report', () => {
  const weights = new Map([
    ['input/modality-codes', tensor([3, 2], [0, 0, 1, 1, 2, 2])],
    ['body/kept', tensor([2], [1, 2])],
    ['body/narrow', tensor([2], [1, 2])],
    ['body/gone', tensor([1], [1])],
    ['method/simclr/weight', tensor([1], [1])],
  ]);
  const codes = { modalities: ['ct'], bodyParts: [], tasks: [] };
  const transfer = transferredWeights({ codes: CODES }, weights, codes);
  const report = loadReport('checkpoint', transfer, [
    ['body/kept', { shape: [2] }],
    ['body/narrow', { shape: [3] }],
    ['body/new', { shape: [4] }],
    ['input/modality-codes', { shape: [2, 2] }],
    ['output/heads/finding/weight', { shape: [2, 2] }],
  ]);

  it('says of every tensor of either side what became of it', () => {
    expect(report).toEqual({
      checkpoint: 'checkpoint',
      matched: [{ name: 'body/kept', shape: [2] }],
      reshaped: [{ name: 'input/modality-codes', from: [3, 2], to: [2, 2] }],
      missing: [{ name: 'body/new', shape: [4] }],
      unexpected: [{ name: 'body/gone', shape: [1] }],
      misshapen: [{ name: 'body/narrow', from: [2], to: [3] }],
      fresh: [{ name: 'output/heads/finding/weight', shape: [2, 2] }],
      leftBehind: [{ name: 'method/simclr/weight', shape: [1] }],
    });
  });

  it('surprises by what is missing, unexpected or misshapen, unless it is allowed', () => {
    expect(surprisesOf(report, [])).toEqual([
      'body/new: missing [4]',
      'body/gone: unexpected [1]',
      'body/narrow: [2] where [3] is needed',
    ]);
    expect(surprisesOf(report, ['body/n*'])).toEqual(['body/gone: unexpected [1]']);
    expect(surprisesOf(report, ['body/ne', '*/gone', 'body.narrow'])).toEqual([
      'body/new: missing [4]',
      'body/narrow: [2] where [3] is needed',
    ]);
    expect(surprisesOf(report, ['*'])).toEqual([]);
  });
});

function tensor(shape: number[], values: number[]): StoredTensor {
  return { dtype: 'F32', shape, data: Float32Array.from(values) };
}
