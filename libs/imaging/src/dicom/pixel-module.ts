import { MAX_IMAGE_BYTES } from '../voxels.js';
import type { DicomFile } from './data-set.js';

/** The Image Pixel module (PS3.3 C.7.6.3), checked. */
export interface PixelModule {
  rows: number;
  columns: number;
  frames: number;
  samples: number;
  photometric: string;
  /** Whether the samples of uncompressed pixels stand in a plane each. */
  planar: boolean;
  allocated: 1 | 8 | 16 | 32 | 64;
  stored: number;
  high: number;
  signed: boolean;
  /** Float Pixel Data or Double Float Pixel Data in place of integers. */
  floats: boolean;
}

const PHOTOMETRIC = [
  'MONOCHROME1',
  'MONOCHROME2',
  'PALETTE COLOR',
  'RGB',
  'YBR_FULL',
  'YBR_FULL_422',
  'YBR_ICT',
  'YBR_RCT',
];

/** The element that holds the pixels. */
export const PIXEL_ELEMENTS = { integers: 'x7fe00010', float: 'x7fe00008', double: 'x7fe00009' } as const;

/** @throws MedformerError INVALID_ARGUMENT naming the attribute. */
export function readPixelModule({ data, refuse }: DicomFile): PixelModule {
  const uint16 = (tag: string, name: string, allowed: (value: number) => boolean, expected: string) => {
    const value = data.uint16(tag);
    if (value === undefined || !allowed(value)) throw refuse(name, expected, String(value ?? 'nothing'));
    return value;
  };
  const positive = (value: number) => value > 0;
  const rows = uint16('x00280010', '(0028,0010) Rows', positive, 'a number from 1');
  const columns = uint16('x00280011', '(0028,0011) Columns', positive, 'a number from 1');
  const floats =
    data.elements[PIXEL_ELEMENTS.float] !== undefined || data.elements[PIXEL_ELEMENTS.double] !== undefined;
  const depths = floats ? [32, 64] : [1, 8, 16, 32];
  const known = (n: number) => depths.includes(n);
  const allocated = uint16('x00280100', '(0028,0100) BitsAllocated', known, depths.join(', '));
  const within = (n: number) => n >= 1 && n <= allocated;
  const stored = floats
    ? allocated
    : uint16('x00280101', '(0028,0101) BitsStored', within, `1 to ${allocated}`);
  const high = floats ? allocated - 1 : (data.uint16('x00280102') ?? stored - 1);
  if (high + 1 < stored || high >= allocated) {
    throw refuse('(0028,0102) HighBit', `${stored - 1} to ${allocated - 1}`, String(high));
  }
  const samples = data.uint16('x00280002') ?? 1;
  const photometric = data.string('x00280004')?.trim() ?? 'nothing';
  const expectedSamples = /^(MONOCHROME[12]|PALETTE COLOR)$/.test(photometric) ? 1 : 3;
  if (!PHOTOMETRIC.includes(photometric) || samples !== expectedSamples) {
    const found = `${photometric.slice(0, 16)} with ${samples} samples a pixel`;
    throw refuse('(0028,0004) PhotometricInterpretation', PHOTOMETRIC.join(', '), found);
  }
  const frames = Number(data.string('x00280008') || 1);
  if (!Number.isSafeInteger(frames) || frames < 1) {
    throw refuse('(0028,0008) NumberOfFrames', 'a number from 1', String(frames));
  }
  const bytes = frames * rows * columns * samples * Math.max(4, allocated / 8);
  if (bytes > MAX_IMAGE_BYTES) {
    const found = `${frames} x ${rows} x ${columns}`;
    throw refuse('(0028,0010) Rows', `at most ${MAX_IMAGE_BYTES} bytes of pixels`, found);
  }
  return {
    rows,
    columns,
    frames,
    samples,
    photometric,
    planar: samples > 1 && data.uint16('x00280006') === 1,
    allocated: allocated as PixelModule['allocated'],
    stored,
    high,
    signed: data.uint16('x00280103') === 1,
    floats,
  };
}
