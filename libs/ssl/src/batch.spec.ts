import { applyView, drawView } from '@medformer/augment';
import { type ImageRecord, Rng, RunSpec, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { type BatchSource, type HostBatch, makeBatches } from './batch.js';
import { inParts } from './batch-plan.js';
import { methodOf } from './methods/registry.js';
import { modalityGroups, takeImages } from './modality-groups.js';
import type { TrainingGroup } from './training-group.js';

const CODES = { modalities: ['ct', 'mri'], bodyParts: ['chest'], tasks: [] };
const SIMCLR = specOf({ method: { name: 'simclr' } });

describe('a batch', () => {
  it('holds the first views of all images, then the second ones, standardised', () => {
    const group = groupOf([6, 5, 3], 8);
    const policies = methodOf(SIMCLR.method).policies;
    const batch = make(SIMCLR, group, 4, [5, 0, 2]);

    expect(batch.shape).toEqual([6, 5, 3]);
    expect(batch.x.length).toBe(2 * 3 * 90);
    for (const [view, policy] of policies.entries()) {
      for (const [index, position] of [5, 0, 2].entries()) {
        const parameters = drawView(policy, 2, Rng.of(SIMCLR.seed, 'view', 4, view, index));
        const seen = applyView(imageOf(group, position), parameters, new Float32Array(90));
        const expected = seen.map((value) => (value - 0.5) / 0.5);
        expect(viewOf(batch, view * 3 + index)).toEqual(expected);
      }
    }
  });

  it('takes volumes and 16 bits alike', () => {
    const batch = make(SIMCLR, groupOf([3, 6, 5, 1], 4, 'uint16'), 1, [0, 3]);

    expect(batch.x.length).toBe(4 * 90);
    expect(batch.x.every((value) => value >= -1 && value <= 1)).toBe(true);
    // The views show something.
    expect(new Set(batch.x).size).toBeGreaterThan(100);
  });

  it('depends on seed and step only', () => {
    const group = groupOf([6, 5, 1], 8);
    const batch = make(SIMCLR, group, 3, [1, 2]);

    expect(make(SIMCLR, group, 3, [1, 2])).toEqual(batch);
    expect(make(SIMCLR, group, 4, [1, 2]).x).not.toEqual(batch.x);
    expect(make(specOf({ method: { name: 'simclr' }, seed: 1 }), group, 3, [1, 2]).x).not.toEqual(batch.x);
  });

  it('draws the views of an image without regard to the others', () => {
    const group = groupOf([6, 5, 1], 8);
    const [batch, other] = [make(SIMCLR, group, 3, [1, 2, 3]), make(SIMCLR, group, 3, [7, 2, 6])];

    for (const row of [1, 4]) expect(viewOf(other, row)).toEqual(viewOf(batch, row));
    expect(viewOf(other, 0)).not.toEqual(viewOf(batch, 0));
  });

  it('carries the class of each image once for supervised training, and one view', () => {
    const spec = specOf({ method: { name: 'supervised', task: 'region' } });
    const batch = make(spec, groupOf([6, 5, 1], 8), 1, [3, 5, 7]);

    expect([...batch.labels]).toEqual([...[1, 0, 0], ...[0, 0, 1], ...[0, 1, 0]]);
    expect(batch.modality.length).toBe(3);
    expect(batch.x.length).toBe(3 * 30);
  });

  it('names codes by row, and the shared one for keys without a code', () => {
    const never = specOf({ method: { name: 'simclr' }, codeDropout: { modality: 0, bodyPart: 0 } });
    const batch = make(never, groupOf([6, 5, 1], 8), 1, [0, 1, 2]);

    // Modalities alternate between ct, mri and pet, which has no code; half of the body parts have none.
    expect([...batch.modality]).toEqual([1, 2, 0, 1, 2, 0]);
    expect([...batch.bodyPart]).toEqual([1, 0, 1, 1, 0, 1]);
  });

  it('withholds codes as often as the run says, each view by itself', () => {
    const group = groupOf([2, 2, 1], 3);
    const withheld = (modality: number) => {
      const spec = specOf({ method: { name: 'simclr' }, codeDropout: { modality, bodyPart: 1 } });
      const rows = Array.from({ length: 300 }, (_, step) => [...make(spec, group, step, [0, 1]).modality]);
      return {
        share: rows.flat().filter((row) => row === 0).length / 1200,
        oneViewOnly: rows.some(([first, , second]) => (first === 0) !== (second === 0)),
      };
    };

    expect(withheld(1).share).toBe(1);
    // Three standard deviations of a share of 1200 draws.
    expect(Math.abs(withheld(0.3).share - 0.3)).toBeLessThan(0.04);
    expect(withheld(0.3).oneViewOnly).toBe(true);
  });
});

describe('a batch in parts', () => {
  it('has the views of the whole one, its images in order', () => {
    const group = groupOf([6, 5, 1], 8);
    const planned = { group: 0, positions: Int32Array.of(5, 0, 2, 7, 1) };
    const made = (accumulate: number) => {
      const spec = specOf({ method: { name: 'simclr' } });
      return makeBatches(sourceOf(spec, group), 3, inParts(planned, accumulate));
    };
    const [whole] = made(1) as [HostBatch];
    const parts = made(2);

    // The fifth image fills no part.
    expect(parts.map(({ labels }) => labels.length)).toEqual([2, 2]);
    for (const view of [0, 1]) {
      for (const image of [0, 1, 2, 3]) {
        const part = parts[Math.floor(image / 2)]!;
        const [row, at] = [view * 2 + (image % 2), view * 5 + image];
        expect(viewOf(part, row)).toEqual(viewOf(whole, at));
        expect(part.modality[row]).toBe(whole.modality[at]);
      }
    }
  });
});

describe('groups by modality', () => {
  it('hold every image once, in order, with its pixels', () => {
    const group = groupOf([2, 3, 1], 7);
    const groups = modalityGroups([group]);

    expect(groups.map(({ records }) => records.map(({ id }) => id))).toEqual(
      [
        [0, 3, 6],
        [1, 4],
        [2, 5],
      ].map((positions) => positions.map((at) => group.records[at]!.id)),
    );
    for (const own of groups) {
      expect(new Set(own.records.map(({ modality }) => modality)).size).toBe(1);
      own.records.forEach((record, at) => {
        expect(imageOf(own, at).pixels).toEqual(imageOf(group, group.records.indexOf(record)).pixels);
      });
    }
  });

  it('leave a group of one modality as it is', () => {
    const group = takeImages(groupOf([2, 3, 1], 7), [0, 3]);

    expect(modalityGroups([group])[0]).toBe(group);
  });

  it('are copies: 16 bits stay 16 bits', () => {
    const taken = takeImages(groupOf([2, 3, 1], 7, 'uint16'), [6]);

    expect(taken.pixels).toBeInstanceOf(Uint16Array);
    expect(taken.pixels.length).toBe(6);
  });
});

function make(spec: RunSpec, group: TrainingGroup, step: number, positions: number[]): HostBatch {
  const planned = { group: 0, positions: Int32Array.from(positions) };
  return makeBatches(sourceOf(spec, group), step, [planned])[0]!;
}

function sourceOf(spec: RunSpec, group: TrainingGroup): BatchSource {
  const heads = [{ task: 'region', classes: 3 }];
  return { spec, groups: [group], codes: CODES, heads, policies: methodOf(spec.method).policies };
}

function specOf(change: object): RunSpec {
  return RunSpec.parse({ dataset: sha256('x'), steps: 10, codeVersion: 'test', ...change });
}

function groupOf(shape: number[], images: number, pixelType: 'uint8' | 'uint16' = 'uint8'): TrainingGroup {
  const rng = Rng.of('batch', ...shape);
  const length = images * shape.reduce((product, edge) => product * edge, 1);
  const records = Array.from(
    { length: images },
    (_, index): ImageRecord => ({
      id: sha256(String(index)).slice(0, 16),
      subject: `s${index}`,
      split: 'train',
      modality: ['ct', 'mri', 'pet'][index % 3]!,
      bodyPart: ['chest', 'head'][index % 2]!,
      shape,
      pixelType,
      labels: { region: index % 3 },
      source: sha256(`source ${index}`),
      tensor: 't',
      row: index,
    }),
  );
  const pixels =
    pixelType === 'uint8'
      ? Uint8Array.from({ length }, () => rng.integer(256))
      : Uint16Array.from({ length }, () => rng.integer(65_536));
  return { shape, pixels, records };
}

function imageOf({ shape, pixels }: TrainingGroup, position: number) {
  const size = shape.reduce((product, edge) => product * edge, 1);
  return { shape, pixels: pixels.subarray(position * size, (position + 1) * size) };
}

function viewOf({ x, shape }: HostBatch, row: number): Float32Array {
  const size = shape.reduce((product, edge) => product * edge, 1);
  return x.subarray(row * size, (row + 1) * size);
}
