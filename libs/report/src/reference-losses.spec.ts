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

  it('gives Barlow Twins the width of the projection', () => {
    expect(
      referenceLosses(specOf({ name: 'barlow-twins', projection: [32, 48] }), undefined).map(
        ({ value }) => value,
      ),
    ).toEqual([48, 0]);
  });
});
