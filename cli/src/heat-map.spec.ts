import { DataType } from '@medformer/gen/common';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type Heat, heatToPng, hottestPixel } from './heat-map.js';

/** Black, with all the heat in one patch. */
function hotAt(shape: number[], grid: number[], hot: number, patch: number): Heat {
  const count = grid.reduce((product, edge) => product * edge, 1);
  return {
    image: {
      dataType: DataType.DATA_TYPE_UINT8,
      shape,
      data: Buffer.alloc(shape.reduce((product, edge) => product * edge, 1)),
    },
    grid,
    heat: Array.from({ length: count }, (_, at) => (at === hot ? 1 : 0)),
    spatial: shape.slice(0, -1),
    patch,
  };
}

async function drawn(heat: Heat) {
  const { data, info } = await sharp(await heatToPng(heat))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const red = (x: number, y: number) => data[3 * (y * info.width + x)]!;
  return { ...info, red };
}

describe('a heat map', () => {
  it('is hot where the patch is and leaves the rest of the image as it is', async () => {
    const { width, height, red } = await drawn(hotAt([8, 12, 1], [2, 3], 4, 4)); // second row, second column
    expect([width, height]).toEqual([22 * 12, 22 * 8]);
    expect(red(22 * 6, 22 * 6)).toBeGreaterThan(150);
    expect([red(0, 0), red(width - 1, 0), red(0, height - 1)]).toEqual([0, 0, 0]);
    // Halfway to the next patch it is half as hot, and then the cover of a colour is half, too.
    expect(red(22 * 4, 22 * 6)).toBeGreaterThan(20);
    expect(red(22 * 4, 22 * 6)).toBeLessThan(red(22 * 6, 22 * 6));
  });

  it('keeps the image where there is no heat', async () => {
    const cold = hotAt([8, 8, 3], [2, 2], 0, 4);
    cold.image!.data.fill(200);
    const { red, width, height } = await drawn(cold);
    expect(red(width - 1, height - 1)).toBe(200);
  });

  it('of a volume is three planes through the hottest place', async () => {
    const heat = hotAt([8, 16, 32, 1], [2, 4, 8], 1 * 32 + 2 * 8 + 5, 4);
    expect(hottestPixel(heat)).toEqual([6, 10, 22]);
    const { width, height, red } = await drawn(heat);
    const scale = 256 / 32;
    expect([width, height]).toEqual([scale * (32 + 32 + 16) + 8, scale * 16]);
    const [second, third] = [scale * 32 + 4, scale * 64 + 8];
    expect(red(scale * 22, scale * 10)).toBeGreaterThan(130); // across z: y, x
    expect(red(second + scale * 22, scale * 6)).toBeGreaterThan(130); // across y: z, x
    expect(red(third + scale * 10, scale * 6)).toBeGreaterThan(130); // across x: z, y
    expect([red(0, 0), red(second, 0), red(third, 0)]).toEqual([0, 0, 0]);
  });

  it('lies over the whole image where the model took it at another size', () => {
    const heat = { ...hotAt([64, 64, 1], [2, 2], 3, 4), spatial: [8, 8] };
    expect(hottestPixel(heat)).toEqual([48, 48]);
  });

  it('is refused without an image', async () => {
    await expect(
      heatToPng({ grid: [1], heat: [], spatial: [1], patch: 1, image: undefined }),
    ).rejects.toMatchObject({
      code: 'DATA_LOSS',
    });
  });
});
