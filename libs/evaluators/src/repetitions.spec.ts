import { EvaluationSpec, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { repetitionsOf } from './repetitions.js';

const SPACE = { task: 'region', kind: 'multi-class' as const, classes: ['head', 'knee'] };
const LABELS = {
  kind: 'multi-class' as const,
  classes: Int32Array.from({ length: 20 }, (_, image) => image % 2),
};
const MODALITIES = Array.from({ length: 20 }, (_, image) => (image < 10 ? 'ct' : 'mri'));
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
    const [repeated] = repetitionsOf(specOf({}, { labelsPerClass: 3 }), SPACE, LABELS, MODALITIES);

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
    const [knn, probe] = repetitionsOf(specOf({}, { labelsPerClass: 3, entries }), SPACE, LABELS, MODALITIES);

    expect(knn).toEqual(probe);
  });

  it('pairs a checkpoint per seed with its seed', () => {
    const [heads] = repetitionsOf(
      specOf({ protocol: 'head', checkpoints: [A, B, C] }),
      SPACE,
      LABELS,
      MODALITIES,
    );

    expect(heads).toEqual([
      { seed: 7, checkpoint: A, labelled: [] },
      { seed: 8, checkpoint: B, labelled: [] },
      { seed: 9, checkpoint: C, labelled: [] },
    ]);
  });

  it('lets an entry say for itself which labels it uses', () => {
    const entries = [{ labelFraction: 0.5 }, { labelsPerClass: 1, labelModalities: ['mri'] }, {}].map(
      (own) => ({
        label: 'x',
        protocol: 'knn',
        checkpoints: [A],
        ...own,
      }),
    );
    const [half, mri, usual] = repetitionsOf(
      specOf({}, { labelFraction: 0.2, entries }),
      SPACE,
      LABELS,
      MODALITIES,
    );

    expect(half!.map(({ labelled }) => labelled.length)).toEqual([10, 10, 10]);
    expect(mri!.map(({ labelled }) => labelled.length)).toEqual([2, 2, 2]);
    for (const { labelled } of mri!) for (const image of labelled) expect(MODALITIES[image]).toBe('mri');
    expect(usual!.map(({ labelled }) => labelled.length)).toEqual([4, 4, 4]);
  });

  it('names the entry that there is no training image for', () => {
    expect(() => repetitionsOf(specOf({ labelModalities: ['pet'] }), SPACE, LABELS, MODALITIES)).toThrow(
      'x: no training image of pet has a label for region',
    );
  });

  it('scores once where seeds change nothing', () => {
    expect(repetitionsOf(specOf({}), SPACE, LABELS, MODALITIES)[0]).toHaveLength(1);
    expect(
      repetitionsOf(specOf({ protocol: 'head' }, { labelsPerClass: 3 }), SPACE, LABELS, MODALITIES)[0],
    ).toHaveLength(1);
  });
});
