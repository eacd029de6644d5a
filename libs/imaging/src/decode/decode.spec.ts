import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { Rng } from '@medformer/schema';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { encodePng } from '../encode-png.js';
import { decodeNifti } from '../nifti/decode-nifti.js';
import { decodeRaster } from './raster.js';

const GOLDEN = new URL('../../golden/', import.meta.url);

describe('decodeNifti', () => {
  const float = () => nifti({ type: 16, bits: 32, edges: [3, 3, 2, 2] });
  it.each<[what: string, bytes: () => Buffer, says: RegExp]>([
    [
      'NaN',
      () => set(float(), (file) => file.writeFloatLE(Number.NaN, 352 + 4 * 5)),
      /voxels: expected finite numbers, found NaN at \[0, 1, 2, 0\]/,
    ],
    [
      'infinity',
      () => set(float(), (file) => file.writeFloatLE(Number.POSITIVE_INFINITY, 352)),
      /found Infinity at/,
    ],
    [
      'four dimensions',
      () => nifti({ edges: [4, 2, 2, 2, 3] }),
      /dim\[4\]: expected 1 \(a single volume\), found 3/,
    ],
    [
      'a negative length',
      () => nifti({ edges: [3, -2, 2, 2] }),
      /dim\[1\]: expected a length from 1 to 65535, found -2/,
    ],
    ['no dimensions', () => nifti({ edges: [0, 0, 0, 0] }), /dim\[0\]: expected 2 to 4 dimensions, found 0/],
    [
      'complex voxels',
      () => nifti({ type: 32, bits: 64, edges: [3, 2, 2, 2] }),
      /datatype: expected one of .*, found 32/,
    ],
    [
      '10 GB promised by 1 KB',
      () => nifti({ edges: [3, 2048, 2048, 1200] }),
      /dim: expected at most .* bytes of voxels/,
    ],
    [
      '200 MB promised by 1 KB',
      () => nifti({ edges: [3, 512, 512, 400] }),
      /voxels: expected .* bytes for 512 x 512 x 400, found a file of/,
    ],
    [
      '200 MB promised by 1 KB of gzip',
      () => gzipSync(nifti({ edges: [3, 512, 512, 400] })),
      /voxels: expected .* bytes for 512 x 512 x 400, found a file of/,
    ],
    [
      'missing voxels',
      () => nifti({ edges: [3, 2, 2, 2] }).subarray(0, 360),
      /voxels: expected 368 bytes for 2 x 2 x 2, found a file of 360 bytes/,
    ],
    [
      'truncated gzip',
      () => gzipSync(nifti({ edges: [3, 9, 9, 9] })).subarray(0, 60),
      /gzip: expected a whole gzip file, found damaged or truncated data/,
    ],
    [
      'a bomb behind a small header',
      () => gzipSync(Buffer.concat([nifti({ edges: [3, 2, 2, 2] }), Buffer.alloc(50_000_000)])),
      /gzip: expected at most .* bytes inside, found more/,
    ],
    ['something else', () => Buffer.alloc(900, 'x'), /header: expected a NIfTI-1 or NIfTI-2 header/],
    ['an empty file', () => Buffer.alloc(0), /header: expected a NIfTI-1 or NIfTI-2 header/],
  ])('refuses %s by file, field, expected and found', (_, bytes, says) => {
    expect(() => decodeNifti(bytes(), 'scan.nii')).toThrow(says);
    expect(() => decodeNifti(bytes(), 'scan.nii')).toThrow(/^scan\.nii: /);
  });

  it('takes a single slice for a 2D image', () => {
    expect(decodeNifti(nifti({ edges: [3, 5, 4, 1] }), 'slice.nii').shape).toEqual([4, 5, 1]);
    expect(decodeNifti(nifti({ edges: [2, 5, 4, 0] }), 'slice.nii').shape).toEqual([4, 5, 1]);
  });

  it('reads bytes that stand in the middle of a larger buffer, as a message brings them', async () => {
    for (const name of ['int16.nii', 'turned.nii.gz']) {
      const alone = await readFile(new URL(name, GOLDEN));
      const within = Buffer.concat([Buffer.alloc(7, 1), alone, Buffer.alloc(9, 1)]).subarray(
        7,
        7 + alone.length,
      );

      expect(decodeNifti(within, name)).toEqual(decodeNifti(alone, name));
    }
  });
});

describe('decodeRaster', () => {
  const grey = Uint8Array.from({ length: 12 }, (_, index) => index * 20);
  const raw = { raw: { width: 4, height: 3, channels: 1 as const } };

  it('keeps grey grey, RGB colour, and all 16 bits', async () => {
    const png = await encodePng({ shape: [3, 4, 1], pixels: grey });
    expect(await decodeRaster(png, 'x.png')).toEqual({ shape: [3, 4, 1], values: grey });
    const colour = Uint8Array.from({ length: 36 }, (_, index) => index * 7);
    const rgb = await encodePng({ shape: [3, 4, 3], pixels: colour });
    expect(await decodeRaster(rgb, 'x.png')).toEqual({ shape: [3, 4, 3], values: colour });
    const deep = Uint16Array.from({ length: 12 }, (_, index) => 60_160 - index);
    const png16 = await sharp(deep, raw).toColourspace('grey16').png().toBuffer();
    expect(await decodeRaster(png16, 'x.png')).toEqual({ shape: [3, 4, 1], values: deep });
  });

  it('reads a grey JPEG close to its source', async () => {
    const jpeg = await sharp(grey, raw).toColourspace('b-w').jpeg({ quality: 100 }).toBuffer();
    const { shape, values } = await decodeRaster(jpeg, 'x.jpg');
    expect(shape).toEqual([3, 4, 1]);
    for (const [index, value] of values.entries())
      expect(Math.abs(value - grey[index]!)).toBeLessThanOrEqual(2);
  });

  it.each<[what: string, bytes: () => Promise<Buffer>, says: RegExp]>([
    [
      'text',
      async () => Buffer.from('this is no picture'),
      /image: expected a whole PNG, JPEG or TIFF image, found .*\(18 bytes\)/,
    ],
    ['an empty file', async () => Buffer.alloc(0), /image: expected a whole PNG, JPEG or TIFF image/],
    ['half a PNG', async () => half(await noisePng()), /image: expected a whole PNG, JPEG or TIFF image/],
    ['a GIF', async () => sharp(grey, raw).gif().toBuffer(), /found the format gif/],
    ['transparency', async () => sharp(grey, raw).ensureAlpha(0.5).png().toBuffer(), /found transparency/],
  ])('refuses %s by file, expected and found', async (_, bytes, says) => {
    await expect(decodeRaster(await bytes(), 'x.png')).rejects.toThrow(says);
    await expect(decodeRaster(await bytes(), 'x.png')).rejects.toThrow(/^x\.png: /);
  });
});

function nifti({ type = 4, bits = 16, edges }: { type?: number; bits?: number; edges: number[] }): Buffer {
  const count = edges.slice(1).reduce((product, edge) => product * Math.max(1, Math.abs(edge)), 1);
  const file = Buffer.alloc(352 + Math.min(count, 1000) * (bits / 8));
  file.writeInt32LE(348, 0);
  for (const [axis, edge] of edges.entries()) file.writeInt16LE(edge, 40 + 2 * axis);
  file.writeInt16LE(type, 70);
  file.writeInt16LE(bits, 72);
  for (let axis = 0; axis < 4; axis += 1) file.writeFloatLE(1, 76 + 4 * axis);
  file.writeFloatLE(352, 108);
  file.writeInt16LE(1, 254);
  for (const at of [280, 300, 320]) file.writeFloatLE(1, at);
  file.write('n+1\0', 344, 'latin1');
  return file;
}

function set(file: Buffer, change: (file: Buffer) => unknown): Buffer {
  change(file);
  return file;
}

async function noisePng(): Promise<Buffer> {
  const rng = Rng.of('noise');
  return encodePng({
    shape: [100, 100, 1],
    pixels: Uint8Array.from({ length: 10_000 }, () => rng.integer(256)),
  });
}

function half(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length / 2);
}
