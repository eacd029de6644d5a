import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { renderThumbnails } from './thumbnails.js';

/** 3 slices to superior, 4 rows to anterior, 5 columns to the right; a voxel says where it stands. */
const SHAPE = [3, 4, 5, 1];
const pixels = Uint16Array.from(
  { length: 60 },
  (_, index) => (Math.floor(index / 20) * 64 + (Math.floor(index / 5) % 4) * 8 + (index % 5)) << 8,
);

describe('renderThumbnails', () => {
  it('shows a volume through its middle as radiologists hang it: up is front or head, left is right or front', async () => {
    const [axial, coronal, sagittal] = await values({ shape: SHAPE, pixels, orientation: 'RAS' });
    expect(axial).toEqual({ plane: 'axial', shape: [4, 5], corners: [64 + 24 + 4, 64 + 0 + 0] });
    expect(coronal).toEqual({ plane: 'coronal', shape: [3, 5], corners: [128 + 16 + 4, 0 + 16 + 0] });
    expect(sagittal).toEqual({ plane: 'sagittal', shape: [3, 4], corners: [128 + 24 + 2, 0 + 0 + 2] });
  });

  it('leaves a volume as it stands where nothing says how it lies', async () => {
    const planes = await values({ shape: SHAPE, pixels });
    expect(planes.map(({ plane }) => plane)).toEqual(['first axis', 'second axis', 'third axis']);
    expect(planes.map(({ corners }) => corners)).toEqual([
      [64, 64 + 24 + 4],
      [16, 128 + 16 + 4],
      [2, 128 + 24 + 2],
    ]);
  });

  it('gives pictures the proportions of millimetres, within the edge asked for', async () => {
    const spaced = { shape: [10, 40, 20, 1], pixels: new Uint8Array(8000), spacingMm: [5, 1, 1] };
    const planes = await values(spaced, 32);
    expect(planes.map(({ shape }) => shape)).toEqual([
      [32, 16],
      [20, 8],
      [32, 26],
    ]);
  });

  it('keeps colour, and does not enlarge', async () => {
    const colour = { shape: [2, 2, 3], pixels: Uint8Array.from({ length: 12 }, (_, index) => index * 20) };
    const [thumbnail] = await renderThumbnails(colour, 96);
    const { data, info } = await sharp(thumbnail!.png).raw().toBuffer({ resolveWithObject: true });
    expect([info.height, info.width, info.channels]).toEqual([2, 2, 3]);
    expect([...data]).toEqual([...colour.pixels]);
  });

  it('refuses shapes that are no image', async () => {
    await expect(renderThumbnails({ shape: [2, 2, 4], pixels: new Uint8Array(16) }, 96)).rejects.toThrow(
      RangeError,
    );
  });
});

/** Each picture's shape and its upper left and lower right value. */
async function values(image: Parameters<typeof renderThumbnails>[0], edge = 96) {
  const thumbnails = await renderThumbnails(image, edge);
  return Promise.all(
    thumbnails.map(async ({ plane, png }) => {
      const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
      return {
        plane,
        shape: [info.height, info.width],
        corners: [data[0], data.at(-1)],
      };
    }),
  );
}
