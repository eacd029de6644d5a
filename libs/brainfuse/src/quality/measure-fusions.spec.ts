import { type FusionQualityRow, FusionSpec } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import type { FusionSource } from '../fusion-source.js';
import { patientImage, patients } from '../testing/sources.js';
import { type FusionsToMeasure, measureFusions } from './measure-fusions.js';

/** A patient of one grey value. */
function flat(patient: number, level: number): FusionSource {
  const image = patientImage(patient, { shape: [12, 12, 1] });
  return { ...image, pixels: new Uint8Array(144).fill(level) };
}

async function rowsOf(
  images: readonly FusionSource[],
  spec: object,
  more: Partial<FusionsToMeasure> = {},
): Promise<FusionQualityRow[]> {
  return measureFusions({
    images,
    spec: FusionSpec.parse({ harmonise: 'none', mask: { strategy: 'blocks', cells: 2 }, ...spec }),
    count: 6,
    turn: async () => {},
    ...more,
  });
}

describe('measured fusions', () => {
  it('have, of two flat images, what is known of a cut between them', async () => {
    const [low, high] = [51, 153];
    const step = (high - low) / 255;
    const [row] = await rowsOf([flat(0, low), flat(1, high)], { sources: [2] });

    expect(row).toMatchObject({ sources: 2, fusions: 6, images: 2, patients: 2, axes: 2 });
    expect(row!.seam.expected).toBe(0);
    expect(row!.seam.raw).toBeCloseTo(step ** 2, 5);
    expect(row!.seam).not.toHaveProperty('repaired');
    expect(row!).not.toHaveProperty('drift');
    expect(row!.histogram.distance).toBeCloseTo(0, 6);
    expect(row!.histogram.real).toBeCloseTo(step, 6);
    expect(row!.diversity!.images).toBeCloseTo(step, 5);
  });

  it('have, repaired, what is left of the cut, and how far that moved the regions', async () => {
    const [low, high] = [51, 153];
    const middle = (low + high) / 510;
    const [row] = await rowsOf(
      [flat(0, low), flat(1, high)],
      { sources: [2] },
      {
        repair: ({ values }) => values.map((value) => middle + (value - middle) / 2),
      },
    );

    expect(row!.seam.repaired).toBeCloseTo(row!.seam.raw / 4, 5);
    expect(row!.seam.ratio).toBeCloseTo(4, 3);
    const moved = (high - low) / 255 / 4 / middle;
    expect(row!.drift!.mean).toBeCloseTo(moved, 5);
    expect(row!.drift!.largest).toBeCloseTo(moved, 5);
  });

  it('have no ratio where nothing is left', async () => {
    const [row] = await rowsOf(
      [flat(0, 51), flat(1, 153)],
      { sources: [2] },
      {
        repair: ({ values }) => values.map(() => 0.5),
      },
    );

    expect(row!.seam.ratio).toBeNull();
  });

  it('are copies of one patient, and the further from every real image the more patients they are of', async () => {
    // Patients whose heads differ by less than a tenth of their contrast.
    const alike = patients(12).map((image) => {
      const common = patientImage(99).pixels;
      return {
        ...image,
        pixels: image.pixels.map((level, at) => Math.round((level + 9 * common[at]!) / 10)),
      };
    });
    const [alone, of4, of8] = (await rowsOf(alike as FusionSource[], { sources: [1, 4, 8] })).map(
      ({ memorisation }) => memorisation!,
    );

    expect(alone!.rate).toBe(1);
    expect(alone!.nearest).toBeCloseTo(1, 5);
    expect(of4!.nearest).toBeLessThan(1);
    expect(of8!.nearest).toBeLessThan(of4!.nearest);
    expect(of8!.threshold).toBe(alone!.threshold);
    expect(of8!.threshold).toBeGreaterThan(of8!.nearestReal);
  });

  it('are compared with real images of their kind only, in rows by number of sources', async () => {
    const images = [
      ...patients(5),
      ...Array.from({ length: 4 }, (_, at) => patientImage(20 + at, { modality: 'ct' })),
      ...Array.from({ length: 3 }, (_, at) => patientImage(40 + at, { shape: [6, 6, 6, 1] })),
    ];
    const rows = await rowsOf(images, { sources: [3, 2] }, { count: 40 });

    expect(rows.map(({ sources, modality, axes, images }) => [sources, modality, axes, images])).toEqual([
      [3, 'ct', 2, 4],
      [3, 'mri', 2, 5],
      [3, 'mri', 3, 3],
      [2, 'ct', 2, 4],
      [2, 'mri', 2, 5],
      [2, 'mri', 3, 3],
    ]);
    expect(rows.slice(0, 3).reduce((sum, { fusions }) => sum + fusions, 0)).toBe(40);
  });

  it('are as far from real images in feature space as their embeddings, of samples of one size', async () => {
    const sizes: number[] = [];
    const embed = async (images: readonly FusionSource[]) => {
      sizes.push(images.length);
      const shift = images[0]!.record.fusion ? 3 : 0;
      return images.map((_, at) => [at % 2, (at >> 1) % 2, shift]);
    };
    const [row] = await rowsOf(patients(16), { sources: [2] }, { embed, count: 5 });

    expect(sizes).toEqual([5, 5, 5]);
    expect(row!.frechet!.real).toBeCloseTo(0, 9);
    expect(row!.frechet!.distance).toBeCloseTo(9, 9);
    expect(row!.frechet).toMatchObject({ images: 5, width: 3 });
  });

  it('are the same when measured again', async () => {
    expect(await rowsOf(patients(6), { sources: [2, 3] })).toEqual(
      await rowsOf(patients(6).reverse(), { sources: [2, 3] }),
    );
  });

  it('tell how far they are, and stop when asked to', async () => {
    const told: number[] = [];
    await rowsOf(patients(4), { sources: [2, 3] }, { count: 2, onFusion: (done, of) => told.push(done, of) });
    expect(told).toEqual([1, 4, 2, 4, 3, 4, 4, 4]);

    const turn = async () => {
      throw new Error('stopped');
    };
    await expect(rowsOf(patients(4), { sources: [2] }, { turn })).rejects.toThrow('stopped');
  });
});
