import { EvaluationSpec, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { repetitionsOf } from './repetitions.js';

const SPACE = { task: 'region', kind: 'multi-class' as const, classes: ['head', 'knee'] };
const LABELS = {
  kind: 'multi-class' as const,
  classes: Int32Array.from({ length: 20 }, (_, image) => image % 2),
};
const [A, B, C] = ['a', 'b', 'c'].map((name) => sha256(name)) as [string, string, string];

const specOf = (entry: object, more: object = {}) =>
  EvaluationSpec.parse({
    dataset: sha256('d'),
    task: 'region',
    seeds: [7, 8, 9],
    entries: [{ label: 'x', protocol: 'knn', checkpoints: [A], ...entry }],
    ...more,
  });

describe('repetitionsOf', () => {
  it('draws other labels for every seed, of one checkpoint', () => {
    const [repeated] = repetitionsOf(specOf({}, { labelsPerClass: 3 }), SPACE, LABELS);

    expect(repeated?.map(({ seed, checkpoint }) => [seed, checkpoint])).toEqual([
      [7, A],
      [8, A],
      [9, A],
    ]);
    expect(repeated?.map(({ labelled }) => labelled.length)).toEqual([6, 6, 6]);
    expect(new Set(repeated?.map(({ labelled }) => labelled.join())).size).toBe(3);
  });

  it('gives every entry the same images of a seed', () => {
    const entries = ['knn', 'linear-probe'].map((protocol) => ({
      label: protocol,
      protocol,
      checkpoints: [A],
    }));
    const [knn, probe] = repetitionsOf(specOf({}, { labelsPerClass: 3, entries }), SPACE, LABELS);

    expect(knn).toEqual(probe);
  });

  it('pairs a checkpoint per seed with its seed', () => {
    const [heads] = repetitionsOf(specOf({ protocol: 'head', checkpoints: [A, B, C] }), SPACE, LABELS);

    expect(heads).toEqual([
      { seed: 7, checkpoint: A, labelled: [] },
      { seed: 8, checkpoint: B, labelled: [] },
      { seed: 9, checkpoint: C, labelled: [] },
    ]);
  });

  it('scores once where seeds change nothing', () => {
    expect(repetitionsOf(specOf({}), SPACE, LABELS)[0]).toHaveLength(1);
    expect(repetitionsOf(specOf({ protocol: 'head' }, { labelsPerClass: 3 }), SPACE, LABELS)[0]).toHaveLength(
      1,
    );
  });
});
