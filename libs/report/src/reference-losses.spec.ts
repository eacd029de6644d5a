import { RunSpec, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { referenceLosses } from './reference-losses.js';

const specOf = (method: object) =>
  RunSpec.parse({ dataset: sha256('d'), method, steps: 1, batchSize: 4, codeVersion: '1' });

describe('referenceLosses', () => {
  it('gives NT-Xent the loss of a simplex with coinciding views as its bound', () => {
    const temperature = 0.5;
    // Four directions with mutual cosine -1/3, each seen twice: written out term by term.
    const pull = Math.exp(1 / temperature);
    const push = Math.exp(-1 / 3 / temperature);
    const simplex = -Math.log(pull / (pull + 6 * push));

    const [start, floor] = referenceLosses(specOf({ name: 'simclr', temperature }), undefined);

    expect(start?.value).toBeCloseTo(Math.log(7), 12);
    expect(floor?.value).toBeCloseTo(simplex, 12);
  });

  it('gives cross entropy the logarithm of the number of classes', () => {
    expect(referenceLosses(specOf({ name: 'supervised', task: 'region' }), 10)[0]?.value).toBe(Math.log(10));
  });

  it('gives methods that foretell codes or permutations the logarithm of theirs, whatever classes the task has', () => {
    expect(referenceLosses(specOf({ name: 'image-gpt', codes: 64 }), 10)[0]?.value).toBe(Math.log(64));
    expect(referenceLosses(specOf({ name: 'jigsaw', permutations: 30 }), 10)[0]?.value).toBe(Math.log(30));
    expect(referenceLosses(specOf({ name: 'mae' }), 10)).toEqual([]);
  });

  it('doubles NT-Xent’s where both halves are added', () => {
    const of = (reduction: string) =>
      referenceLosses(specOf({ name: 'simclr', reduction }), undefined).map(({ value }) => value);

    of('sum').forEach((value, at) => {
      expect(value).toBeCloseTo(2 * of('mean')[at]!, 12);
    });
  });

  it('gives Barlow Twins the width of the projection', () => {
    expect(
      referenceLosses(specOf({ name: 'barlow-twins', projection: [32, 48] }), undefined).map(
        ({ value }) => value,
      ),
    ).toEqual([48, 0]);
  });
});
