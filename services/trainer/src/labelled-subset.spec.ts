import { type ImageRecord, MethodSpec, sha256 } from '@medformer/schema';
import type { TrainingGroup } from '@medformer/ssl';
import { expect, it } from 'vitest';
import { labelledSubset, withOtherLabelsHidden } from './labelled-subset.js';

const SPACE = { task: 'finding', kind: 'binary' as const, classes: ['absent', 'present'] };

it('keeps the images that carry a label for the task, with their pixels', () => {
  const [group] = labelledSubset([groupOf([1, 0, undefined, 1, undefined, 0])], method({}), SPACE);

  expect(group?.records.map(({ row }) => row)).toEqual([0, 1, 3, 5]);
  expect([...group!.pixels]).toEqual([0, 1, 3, 5]);
});

it('leaves groups that are labelled throughout as they are, and drops those without a label', () => {
  const whole = groupOf([0, 1]);

  expect(labelledSubset([whole, groupOf([undefined])], method({}), SPACE)).toEqual([whole]);
  expect(labelledSubset([whole], method({}), SPACE)[0]).toBe(whole);
});

it('draws as many images of each class as asked for, over all groups, the same ones for the same seed', () => {
  const groups = [groupOf([1, 0, undefined, 1, 0, 0, 1]), groupOf([1, undefined, 0, 1, 0])];
  const draw = (labelSeed: number) =>
    labelledSubset(groups, method({ labelsPerClass: 2, labelSeed }), SPACE).flatMap(({ records }) => records);

  const counts = [0, 1].map((label) => draw(3).filter(({ labels }) => labels.finding === label).length);
  expect(counts).toEqual([2, 2]);
  expect(draw(3)).toEqual(draw(3));
  expect(
    [1, 2, 4, 5].some(
      (seed) => String(draw(seed).map(({ id }) => id)) !== String(draw(3).map(({ id }) => id)),
    ),
  ).toBe(true);
});

it('draws the same images whether or not unlabelled ones stand between them', () => {
  const labels = [1, 0, 1, 1, 0, 0, 1, 0];
  const spread = labels.flatMap((label) => [undefined, label]);
  const drawn = (given: (number | undefined)[], rowOf: (row: number) => number) =>
    labelledSubset([groupOf(given)], method({ labelsPerClass: 2 }), SPACE).flatMap(({ records }) =>
      records.map(({ row }) => rowOf(row)),
    );

  expect(drawn(spread, (row) => (row - 1) / 2)).toEqual(drawn(labels, (row) => row));
});

it('draws a share of each class', () => {
  const group = groupOf([1, 0, undefined, 1, 0, 0, 1, 0, 1]);
  const [drawn] = labelledSubset([group], method({ labelFraction: 0.5 }), SPACE);

  expect(
    [0, 1].map((label) => drawn!.records.filter(({ labels }) => labels.finding === label).length),
  ).toEqual([2, 2]);
});

it('says which class has too few labelled images', () => {
  expect(() => labelledSubset([groupOf([1, 1, 0])], method({ labelsPerClass: 2 }), SPACE)).toThrow(
    expect.objectContaining({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('absent has 1'),
    }),
  );
});

it('draws positives of each label of a multi-label task, and images without any', () => {
  const flags = [
    [1, 0],
    [0, 1],
    [0, 0],
    [1, 1],
    [0, 0],
    [1, 0],
  ];
  const group = groupOf(flags.map(() => 0));
  const records = group.records.map((record, row) => ({ ...record, labels: { finding: flags[row]! } }));
  const space = { ...SPACE, kind: 'multi-label' as const };

  const drawn = labelledSubset([{ ...group, records }], method({ labelsPerClass: 1 }), space);

  const labels = drawn.flatMap((kept) => kept.records.map((record) => record.labels.finding as number[]));
  expect([0, 1].map((label) => labels.some((flags) => flags[label] === 1))).toEqual([true, true]);
  expect(labels.filter((flags) => flags.every((flag) => flag === 0))).toHaveLength(1);
});

it('hides every other label from a semi-supervised run, and shows the same ones', () => {
  const groups = [groupOf([1, 0, undefined, 1, 0, 0, 1]), groupOf([undefined, 1])];
  const spec = MethodSpec.parse({ name: 'consistency', task: 'finding', labelsPerClass: 2, labelSeed: 3 });
  if (spec.name !== 'consistency') throw new Error('not consistency');

  const hidden = withOtherLabelsHidden(groups, spec, SPACE);

  const kept = labelledSubset(groups, method({ labelsPerClass: 2, labelSeed: 3 }), SPACE);
  const shown = hidden.map(({ records }) => records.filter(({ labels }) => labels.finding !== undefined));
  expect(shown.flat()).toEqual(kept.flatMap(({ records }) => records));
  expect(hidden.map(({ records }) => records.length)).toEqual([7, 2]);
  hidden.forEach((group, at) => {
    expect(group.pixels).toBe(groups[at]!.pixels);
  });
  // The images given are as they were.
  expect(groups[0]!.records.filter(({ labels }) => labels.finding !== undefined).length).toBe(6);
});

it('takes fusions for labelled by their mixtures, but never among the few: they tell the labels of others', () => {
  const group = groupOf([1, 0, undefined, 0]);
  const fusion = { index: 0, sources: [{ source: sha256('one'), share: 1 }] };
  const mixtures = { finding: [0.25, 0.75] };
  const [fused, agreed] = [
    { ...group.records[2]!, fusion, mixtures },
    { ...group.records[3]!, fusion },
  ];
  const groups = [{ ...group, records: [...group.records.slice(0, 2), fused, agreed] }];
  const few = { labelsPerClass: 1 };

  expect(labelledSubset(groups, method({}), SPACE)[0]).toBe(groups[0]);
  expect(labelledSubset(groups, method(few), SPACE)[0]!.records.map(({ row }) => row)).toEqual([0, 1]);
  const [hidden] = withOtherLabelsHidden(groups, { ...method(few) }, SPACE);
  expect(hidden!.records.slice(2).map(({ labels, mixtures }) => ({ labels, mixtures }))).toEqual([
    { labels: {}, mixtures: {} },
    { labels: {}, mixtures: undefined },
  ]);
});

function method(change: object) {
  const spec = MethodSpec.parse({ name: 'supervised', task: 'finding', ...change });
  if (spec.name !== 'supervised') throw new Error('not supervised');
  return spec;
}

/** Images of one pixel, which tells their row. */
function groupOf(labels: (number | undefined)[]): TrainingGroup {
  const records = labels.map(
    (label, row): ImageRecord => ({
      id: sha256(`${labels.length} ${row}`).slice(0, 16),
      subject: `s${row}`,
      split: 'train',
      modality: 'ct',
      bodyPart: 'chest',
      shape: [1, 1, 1],
      pixelType: 'uint8',
      labels: label === undefined ? {} : { finding: label },
      source: sha256('x'),
      tensor: 't',
      row,
    }),
  );
  return { shape: [1, 1, 1], pixels: Uint8Array.from(labels.keys()), records };
}
