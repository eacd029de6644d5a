import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { decodeDicom, decodeNifti, openZip, percentiles, readNpyArray, type Voxels } from './index.js';

interface Golden {
  file: string;
  shape: number[];
  spacingMm?: number[];
  values?: number[];
  float32Sha256?: string;
}

const GOLDEN = new URL('../golden/', import.meta.url);
const REAL = new URL('../../../e2e/fixtures/real-images/', import.meta.url);
const golden: {
  npz: Record<string, Record<string, Golden>>;
  nifti: Golden[];
  dicom: Golden[];
  percentiles: { type: string; values?: number[]; formula?: number; low: number; high: number }[];
} = JSON.parse(await readFile(new URL('imaging.json', GOLDEN), 'utf8'));

describe('readNpyArray', () => {
  const cases = Object.entries(golden.npz).flatMap(([archive, arrays]) =>
    Object.entries(arrays).map(([name, array]) => [archive, name, array] as const),
  );
  it.each(cases)('%s: %s equals what numpy wrote, to the bit', async (archive, name, { shape, values }) => {
    const zip = await openZip(fileURLToPath(new URL(archive, GOLDEN)), archive, 1e6);
    try {
      const array = await readNpyArray(zip.entries.get(`${name}.npy`)!, archive);
      expect(array.shape).toEqual(shape);
      expect(Array.from(array.values)).toEqual(values);
    } finally {
      await zip.close();
    }
  });
});

describe('decodeNifti', () => {
  it.each(golden.nifti.map((one) => [one.file, one] as const))(
    '%s equals nibabel, closest canonical',
    async (file, one) => {
      expectEqual(decodeNifti(await readFile(urlOf(file)), file), one);
    },
  );
});

describe('decodeDicom', () => {
  it.each(golden.dicom.map((one) => [one.file, one] as const))(
    '%s equals pydicom with the rescale',
    async (file, one) => {
      expectEqual(await decodeDicom(await readFile(urlOf(file)), file), one);
    },
  );
});

describe('percentiles', () => {
  it.each(golden.percentiles)('equal numpy.percentile for $type', ({ type, values, formula, low, high }) => {
    const numbers = values ?? Array.from({ length: formula! }, (_, index) => (index * 7919) % 30_011);
    const [foundLow, foundHigh] = percentiles(typed(type, numbers), [1, 99.5]);
    expect(foundLow).toBeCloseTo(low, 3);
    expect(foundHigh).toBeCloseTo(high, 3);
  });
});

function expectEqual({ shape, values, spacingMm }: Voxels, expected: Golden): void {
  expect(shape).toEqual(expected.shape);
  expect(spacingMm?.map((edge) => edge.toFixed(4))).toEqual(
    expected.spacingMm?.map((edge) => edge.toFixed(4)),
  );
  if (expected.float32Sha256) {
    expect(sha256(new Uint8Array(Float32Array.from(values).buffer))).toBe(expected.float32Sha256);
    return;
  }
  expect(Array.from(values, Math.fround)).toEqual(expected.values!.map(Math.fround));
}

function urlOf(file: string): URL {
  return file.startsWith('real:') ? new URL(file.slice(5), REAL) : new URL(file, GOLDEN);
}

function typed(type: string, numbers: number[]): Voxels['values'] {
  if (type === 'int16') return Int16Array.from(numbers);
  if (type === 'uint16') return Uint16Array.from(numbers);
  return type === 'float32' ? Float32Array.from(numbers) : Float64Array.from(numbers);
}
