import { FusionSpec, GeneratorSpec, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FusionSource } from '../fusion-source.js';
import { regionDrift } from '../quality/region-means.js';
import { seamEnergy } from '../quality/seam-energy.js';
import { drawFusion, type RawFusion, rawFuse } from '../raw-fuse.js';
import { scans } from '../testing/scans.js';
import { TINY, train } from '../testing/train.js';
import { Generator } from './generator.js';

beforeAll(async () => {
  await useBackend();
});

describe('a generator', () => {
  it.each([
    { axes: 2 as const, spatial: [21, 23], steps: 140, batchSize: 6 },
    { axes: 3 as const, spatial: [14, 13, 15], steps: 90, batchSize: 3 },
  ])(
    'joins the regions of patients it has not seen, in $axes axes',
    async ({ axes, spatial, steps, batchSize }) => {
      const spec = GeneratorSpec.parse({
        network: { width: 8, levels: 2 },
        fusion: { sources: [2, 4] },
        axes,
        steps,
        batchSize,
        masks: [{ strategy: 'blocks' }],
      });
      const state = await train(spec, scans(16, spatial));
      const generator = Generator.of(spec, state.channels, state.weights);
      const raws = fusions(scans(12, spatial, 'test'), 20);
      const repaired = generator.repairAll(raws);
      generator.dispose();
      const excess = (images: readonly Float32Array[]) =>
        images.reduce((sum, values, at) => sum + seamEnergy(values, raws[at]!).excess, 0) / images.length;

      const before = excess(raws.map(({ values }) => values));
      expect(before).toBeGreaterThan(0.01);
      expect(Math.abs(excess(repaired))).toBeLessThan(before / 3);
      raws.forEach((raw, at) => {
        expect(regionDrift(raw.values, repaired[at]!, raw.weights, 1)).toBeLessThan(0.02);
      });
    },
  );

  it('gives one source back as it is, and any size, alone or among others', async () => {
    const { generator } = await tiny();
    const [own] = scans(1, [9, 11]);
    const alone = rawFuse(FusionSpec.parse({}), [own!], {
      anchor: 0,
      mask: { strategy: 'blocks', cells: [1, 1], owner: Int32Array.of(0) },
    });
    const raws = [alone, ...fusions(scans(3, [9, 11]), 2), ...fusions(scans(3, [16, 7]), 2)];
    const together = generator.repairAll(raws);

    expect(together[0]).toEqual(alone.values);
    raws.forEach((raw, at) => {
      expect(together[at]!.length).toBe(raw.values.length);
      expect(together[at]!.every((value) => value >= 0 && value <= 1)).toBe(true);
      const single = generator.repair(raw);
      expect(Math.max(...single.map((value, i) => Math.abs(value - together[at]![i]!)))).toBeLessThan(1e-5);
    });
    generator.dispose();
  });

  it('leaves what is away from borders', async () => {
    const { generator, spec } = await tiny();
    const [raw] = fusions(scans(2, [40, 40]), 1, 1);
    const values = generator.repair(raw!);
    generator.dispose();
    const untouched = Array.from(values, (value, at) => value === raw!.values[at]).filter(Boolean).length;

    expect(spec.seam.reach).toBe(3);
    expect(untouched).toBeGreaterThan(1600 * 0.5);
  });

  it('keeps its number of tensors and its memory over 1,000 fusions, and frees all at the end', async () => {
    const before = tf.memory().numTensors;
    const { generator } = await tiny();
    const sources = scans(4, [12, 12]);
    // Number 0 again and again would find what is cached of it.
    const repaired = (index: number) => generator.repair(fusions(sources, 1, 3, index)[0]!);
    for (let index = 0; index < 200; index += 1) repaired(index);
    const running = tf.memory().numTensors;
    const { rss } = process.memoryUsage();
    for (let index = 200; index < 1200; index += 1) repaired(index);

    expect(tf.memory().numTensors).toBe(running);
    expect((process.memoryUsage().rss - rss) / 2 ** 20).toBeLessThan(64);
    generator.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses other axes and channels, and weights that are not its own', async () => {
    const { generator, spec, state } = await tiny();
    const [raw] = fusions(scans(3, [6, 6, 6]), 1);

    expect(() => generator.repair(raw!)).toThrow(
      'generator: shape: expected 2 spatial axes and 1 channels, found 3 and 1',
    );
    generator.dispose();
    const some = new Map([...state.weights].slice(1));
    expect(() => Generator.of(spec, 1, some)).toThrow(/checkpoint: missing generator\//);
  });
});

async function tiny() {
  const spec = { ...TINY, steps: 1 };
  const state = await train(spec, scans(4, [12, 12]));
  return { spec, state, generator: Generator.of(spec, state.channels, state.weights) };
}

/** Cut fusions of all these scans. */
function fusions(sources: readonly FusionSource[], count: number, cells = 3, first = 0): RawFusion[] {
  const spec = FusionSpec.parse({
    mask: {
      strategy: cells === 1 ? 'voronoi' : 'blocks',
      ...(cells === 1 ? { centres: 1, softness: 0 } : { cells }),
    },
  });
  return Array.from({ length: count }, (_, at) => {
    const index = first + at;
    const rng = Rng.of('generator spec', index);
    const some = Array.from(
      rng.permutation(sources.length).subarray(0, 2 + (index % 3)),
      (at) => sources[at]!,
    );
    return rawFuse(spec, some, drawFusion(spec, some, rng));
  });
}
