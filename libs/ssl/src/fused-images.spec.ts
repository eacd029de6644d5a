import { fusionAt, fusionPools } from '@medformer/brainfuse';
import { type LabelSpace, RunFusion } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeBatches } from './batch.js';
import { inParts } from './batch-plan.js';
import { FusedImages } from './fused-images.js';
import { batchesOf, batchTensors } from './health/batch-tensors.js';
import { methodOf } from './methods/registry.js';
import { patternData, patternSpec, patterns, runPatterns } from './testing/patterns.js';
import type { TrainingGroup } from './training-group.js';

const SPACES: LabelSpace[] = [{ task: 'pattern', kind: 'multi-class', classes: ['0', '1', '2'] }];
const HEADS = [{ task: 'pattern', classes: 3 }];
const FUSION = { spec: { sources: [2, 3], seed: 5 }, perImage: 0.5 };
const SUPERVISED = { method: { name: 'supervised', task: 'pattern' } };

describe('the fusions of a run', () => {
  it('are to the byte those that a data set of fusions has under the same numbers', () => {
    const { fused, groups } = fusing({ count: 40 });
    const spec = RunFusion.parse(FUSION).spec;
    const pools = fusionPools(sourcesOf(groups), spec);

    const numbers = new Set<number>();
    for (let step = 1; step <= 10; step += 1) {
      const images = fused.numbered(0, step, 0, 12);
      expect(images).toHaveLength(6);
      for (const { record, pixels } of images) {
        const index = record.fusion!.index;
        const stored = fusionAt(pools, spec, SPACES, index);
        expect(pixels).toEqual(stored.pixels);
        expect(record).toEqual(stored.record);
        numbers.add(index);
      }
    }
    // Of forty numbers sixty draws meet most, and some again.
    expect(numbers.size).toBeGreaterThan(20);
    expect(Math.max(...numbers)).toBeLessThan(40);
  });

  it('depend on seed, step and part only, and hardly any comes twice without a number of them', () => {
    const indexes = (seed: number, step: number, first = 0) =>
      fusing({}, seed)
        .fused.numbered(0, step, first, 12)
        .map(({ record }) => record.fusion!.index);
    const first = indexes(0, 3);

    expect(indexes(0, 3)).toEqual(first);
    for (const other of [indexes(1, 3), indexes(0, 4), indexes(0, 3, 12)])
      expect(other.some((index) => first.includes(index))).toBe(false);
  });

  it('have the form of the group they are for, each number where its own data set has it', () => {
    const groups = [patterns([8, 8, 1], 12), patterns([6, 10, 1], 12)];
    const { fused } = fusing({ count: 60 }, 0, groups);
    const pools = fusionPools(sourcesOf(groups), RunFusion.parse(FUSION).spec);

    for (const [group, { shape }] of groups.entries()) {
      for (const { record, pixels } of fused.numbered(group, 1, 0, 8)) {
        const stored = fusionAt(pools, RunFusion.parse(FUSION).spec, SPACES, record.fusion!.index);
        expect(stored.record.shape).toEqual(shape);
        expect(pixels).toEqual(stored.pixels);
      }
    }
  });

  it('are left out where a group has nothing to fuse', () => {
    const alone = patterns([8, 8, 3], 1);
    const { fused } = fusing({}, 0, [patterns([8, 8, 1], 12), alone]);

    expect(fused.numbered(1, 1, 0, 4)).toEqual([]);
    expect(fused.numbered(0, 1, 0, 4)).toHaveLength(2);
  });

  it('of images of the batch say how much of each is in them', () => {
    const { fused, groups } = fusing({});
    const positions = Int32Array.of(7, 3, 20, 11);
    const { images, weights } = fused.within(0, positions, 2, 0);

    expect(images).toHaveLength(2);
    images.forEach(({ record }, at) => {
      const row = weights.subarray(at * 4, (at + 1) * 4);
      expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6);
      for (const { source, share } of record.fusion!.sources) {
        const place = [...positions].findIndex((position) => groups[0]!.records[position]!.source === source);
        expect(row[place]).toBeCloseTo(share, 6);
      }
    });
  });

  it('go through the generator that the spec names, and are refused without it', () => {
    const generator = 'a'.repeat(64);
    const spec = { ...FUSION.spec, generator };
    const run = { seed: 0, fusion: RunFusion.parse({ ...FUSION, spec }) };
    const groups = [patterns([8, 8, 1], 12)];

    expect(() => new FusedImages(run, groups, HEADS)).toThrow(
      expect.objectContaining({ code: 'FAILED_PRECONDITION', message: expect.stringMatching(/generator/) }),
    );
    const repaired = new FusedImages(run, groups, HEADS, ({ values }) => values.map(() => 1));
    const [image] = repaired.numbered(0, 1, 0, 2);
    expect([...new Set(image!.pixels)]).toEqual([255]);
  });
});

describe('a batch with fusions', () => {
  it('has them behind its images, whose views stay what they are, and the mixtures as labels', () => {
    const spec = patternSpec({ ...SUPERVISED, fusion: FUSION });
    const planned = { group: 0, positions: Int32Array.of(4, 8, 15, 16) };
    const [batch] = make(spec, planned);
    const [without] = make(patternSpec(SUPERVISED), planned);

    expect(batch!.images).toHaveLength(6);
    expect(batch!.images.slice(0, 4)).toEqual(without!.images);
    expect(batch!.x.subarray(0, 4 * 64)).toEqual(without!.x);
    expect(batch!.labels.subarray(0, 12)).toEqual(without!.labels);
    for (const at of [4, 5]) {
      const row = batch!.labels.subarray(at * 3, at * 3 + 3);
      expect(row.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
    }
    expect(make(spec, planned)).toEqual([batch]);
  });

  it('is kept with a failed step as it was, mixtures and mixing too', () => {
    const method = { name: 'consistency', task: 'pattern', target: 'both', teacher: 'none' };
    const parts = make(patternSpec({ method, fusion: FUSION }), {
      group: 0,
      positions: Int32Array.of(4, 8, 15, 16),
    });

    expect(parts[0]!.drawn.mixing!.shape).toEqual([2, 4]);
    expect(batchesOf(parts, batchTensors(parts))).toEqual(parts);
  });

  it('in parts has the share of each part', () => {
    const spec = patternSpec({ ...SUPERVISED, fusion: FUSION, accumulate: 2 });
    const parts = make(spec, { group: 0, positions: Int32Array.of(4, 8, 15, 16) });

    expect(parts.map(({ images }) => images.length)).toEqual([3, 3]);
    expect(parts[0]!.images[2]).not.toBe(parts[1]!.images[2]);
  });
});

describe('a run with fusions', () => {
  beforeAll(async () => {
    await useBackend();
  });

  it.each([
    ['supervised training', SUPERVISED],
    ['a contrastive method', { method: { name: 'simclr' } }],
    ['consistency of views', { method: { name: 'consistency', task: 'pattern' }, ema: {} }],
    [
      'consistency of fusions',
      { method: { name: 'consistency', task: 'pattern', target: 'fusion' }, ema: {} },
    ],
    [
      'consistency of both, in parts',
      { method: { name: 'consistency', task: 'pattern', target: 'both', teacher: 'none' }, accumulate: 2 },
    ],
  ])('is recorded as one function: %s', async (_, change) => {
    const { reports, warnings, error } = await runPatterns(
      patternSpec({ ...change, fusion: FUSION, steps: 3 }),
    );

    expect(error).toBeUndefined();
    expect(warnings).toEqual([]);
    for (const { recorded, images, loss } of reports) {
      expect(recorded).toBe(true);
      expect(images).toBe(18);
      expect(Number.isFinite(loss)).toBe(true);
    }
  });

  it('goes on where it stopped as if it never had', async () => {
    const spec = patternSpec({
      ...SUPERVISED,
      fusion: { ...FUSION, count: 20 },
      steps: 6,
      checkpointEvery: 3,
    });
    const { states } = await runPatterns(spec);
    const [half, end] = states;
    const { states: resumed } = await runPatterns(spec, { resume: half! });

    expect(resumed.at(-1)!.weights).toEqual(end!.weights);
    expect(resumed.at(-1)!.history).toEqual(end!.history);
  });

  it('learns from fusions and their mixtures', async () => {
    const { reports } = await runPatterns(
      patternSpec({ ...SUPERVISED, fusion: FUSION, steps: 60, optimiser: { learningRate: 5e-3 } }),
    );
    const last = reports.slice(-10);

    const mean = last.reduce((sum, { accuracy }) => sum + accuracy!, 0) / last.length;
    expect(mean).toBeGreaterThan(0.6);
  });
});

function fusing(change: object, seed = 0, groups = [patterns([8, 8, 1], 36)]) {
  const fusion = RunFusion.parse({ ...FUSION, ...change });
  return { groups, fused: new FusedImages({ seed, fusion }, groups, HEADS) };
}

function sourcesOf(groups: readonly TrainingGroup[]) {
  return groups.flatMap(({ shape, pixels, records }) => {
    const size = shape.reduce((product, edge) => product * edge, 1);
    return records.map((record, at) => ({ record, pixels: pixels.subarray(at * size, (at + 1) * size) }));
  });
}

function make(spec: ReturnType<typeof patternSpec>, planned: { group: number; positions: Int32Array }) {
  const { groups, codes, heads } = patternData(spec, [patterns([8, 8, 1], 36)]);
  const { policies } = methodOf(spec.method);
  const fused = spec.fusion && new FusedImages({ ...spec, fusion: spec.fusion }, groups, heads);
  const source = { spec, groups, codes, heads, policies, ...(fused ? { fused } : {}) };
  return makeBatches(source, 3, inParts(planned, spec.accumulate));
}
