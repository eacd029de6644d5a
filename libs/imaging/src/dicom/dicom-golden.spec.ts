import { readFile } from 'node:fs/promises';
import { sha256 } from '@medformer/schema';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readDicom } from './data-set.js';
import { type DicomPixels, decodeDicom, decodeDicomPixels } from './decode-dicom.js';
import { encapsulatedFrames } from './encapsulated.js';

interface Golden {
  file: string;
  shape: number[];
  /** 0: equal to the bit. */
  tolerance: number;
  float64Sha256?: string;
  every?: number[];
  step?: number;
  mean?: number;
  padding?: [number, number];
  windows?: DicomPixels['windows'];
  volumeSha256?: string;
  spacingMm?: number[];
}

const GOLDEN = new URL('../../golden/', import.meta.url);
const SAMPLES = new URL('../../../../.cache/format-samples/pydicom/', import.meta.url);
const golden: { dicom: Golden[] } = JSON.parse(await readFile(new URL('dicom/dicom.json', GOLDEN), 'utf8'));
const of = (bundled: boolean) =>
  golden.dicom
    .filter(({ file }) => file.startsWith('pydicom:') === bundled)
    .map((one) => [one.file, one] as const);

describe('decodeDicomPixels', () => {
  it.each(of(false))('decodes %s to the pixels that pydicom and the source of the file give', expectEqual);

  it.each(of(true))('decodes %s as pydicom does', expectEqual);

  it.each(['420', '444'])(
    'decodes colour JPEG of sampling %s to the bit as native libjpeg-turbo does',
    async (sampling) => {
      const name = `dicom/jpeg-baseline-${sampling}.dcm`;
      const frame = readDicom(await bytesOf(name), name, ({ data, refuse }) =>
        encapsulatedFrames(data, 1, refuse),
      )[0]!;
      const { values } = await pixelsOf(name);
      expect([...values]).toEqual([...(await sharp(frame).toColourspace('srgb').raw().toBuffer())]);
    },
  );

  it('reads a JPEG whose scan header is wrong, as most readers do, though the reference does not', async () => {
    const damaged = await pixelsOf('pydicom:JPEG-lossy.dcm');
    const whole = await pixelsOf('pydicom:JPGExtended.dcm');
    expect(damaged.values).toEqual(whole.values);
  });
});

describe('decodeDicom', () => {
  it('makes frames with positions of their own a volume from feet to head, to the right and to the front', async () => {
    const one = golden.dicom.find(({ file }) => file === 'dicom/enhanced.dcm')!;
    const { values, spacingMm, shape } = await decodeDicom(await bytesOf(one.file), one.file);
    expect(shape).toEqual(one.shape);
    expect(spacingMm).toEqual(one.spacingMm);
    expect(sha256(new Uint8Array(Float64Array.from(values).buffer))).toBe(one.volumeSha256);
  });

  it('tells the range of padding in the scale of the values', async () => {
    const { padding } = await decodeDicom(await bytesOf('dicom/padded.dcm'), 'padded.dcm');
    expect(padding).toEqual([-3990, -3990]);
  });
});

async function expectEqual(file: string, expected: Golden): Promise<void> {
  const { shape, values, padding, windows } = await pixelsOf(file);
  expect(shape).toEqual(expected.shape);
  if (expected.padding) expect(padding).toEqual(expected.padding);
  if (expected.windows) expect(windows).toEqual(expected.windows);
  if (expected.tolerance === 0) {
    expect(sha256(new Uint8Array(Float64Array.from(values).buffer))).toBe(expected.float64Sha256);
    return;
  }
  const { every = [], step = 1, mean = 0 } = expected;
  const worst = Math.max(...every.map((value, index) => Math.abs(value - values[index * step]!)));
  expect(worst).toBeLessThanOrEqual(expected.tolerance);
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += values[index]!;
  expect(Math.abs(sum / values.length - mean)).toBeLessThan(expected.tolerance / 2);
}

async function pixelsOf(file: string): Promise<DicomPixels> {
  return readDicom(await bytesOf(file), file, decodeDicomPixels);
}

function bytesOf(file: string): Promise<Buffer> {
  return readFile(file.startsWith('pydicom:') ? new URL(file.slice(8), SAMPLES) : new URL(file, GOLDEN));
}
