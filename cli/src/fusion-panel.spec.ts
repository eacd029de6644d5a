import { DataType, type Tensor } from '@medformer/gen/common';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { fusionPanel } from './fusion-panel.js';

const bytes = (shape: number[], value: (at: number) => number): Tensor => ({
  dataType: DataType.DATA_TYPE_UINT8,
  shape,
  data: Buffer.from(
    Uint8Array.from({ length: shape.reduce((product, edge) => product * edge, 1) }, (_, at) => value(at)),
  ),
});
const floats = (shape: number[], value: (at: number) => number): Tensor => {
  const length = shape.reduce((product, edge) => product * edge, 1);
  return {
    dataType: DataType.DATA_TYPE_FLOAT32,
    shape,
    data: Buffer.from(Float32Array.from({ length }, (_, at) => value(at)).buffer),
  };
};
const pixelsOf = async (png: Buffer) => {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  return {
    ...info,
    at: (y: number, x: number) => [...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3)],
  };
};

describe('the panel of a fusion', () => {
  it('shows the fusion, its regions in the colours of the sources, and the sources', async () => {
    const panel = await pixelsOf(
      await fusionPanel({
        index: 0n,
        image: bytes([2, 2, 1], (at) => 10 * at),
        record: {},
        weights: floats([2, 2, 2], (at) => (at < 4 ? Number(at % 2 === 0) : Number(at % 2 === 1))),
        sources: [floats([2, 2, 1], () => 0.2), floats([2, 2, 1], () => 1)],
        raw: undefined,
      }),
    );
    const [edge, gap] = [112, 4];
    expect([panel.height, panel.width]).toEqual([edge, 4 * edge + 3 * gap]);
    expect(panel.at(0, 0)).toEqual([0, 0, 0]);
    expect(panel.at(111, 111)).toEqual([30, 30, 30]);
    const second = edge + gap;
    expect(panel.at(0, second)).toEqual([66, 105, 208]);
    expect(panel.at(0, second + 111)).toEqual([239, 177, 24]);
    expect(panel.at(50, 2 * second)).toEqual([51, 51, 51]);
    expect(panel.at(50, 3 * second)).toEqual([255, 255, 255]);
    expect(panel.at(50, edge + 1)).toEqual([255, 255, 255]);
  });

  it('shows three planes of a volume with its last slice up, and what was there before the generator', async () => {
    const shape = [4, 3, 2, 1];
    const panel = await pixelsOf(
      await fusionPanel({
        index: 0n,
        // Bright where the slice is high.
        image: bytes(shape, (at) => 60 * Math.floor(at / 6)),
        record: {},
        weights: floats([1, 4, 3, 2], () => 1),
        sources: [floats(shape, () => 0)],
        raw: floats(shape, () => 1),
      }),
    );
    const tile = 4 * 28 + 4;
    expect(panel.height).toBe(3 * tile - 4);
    expect(panel.at(0, 0)).toEqual([120, 120, 120]);
    expect(panel.at(tile, 0)).toEqual([180, 180, 180]);
    expect(panel.at(tile + 3 * 28, 0)).toEqual([0, 0, 0]);
    expect(panel.at(2 * tile, 0)).toEqual([180, 180, 180]);
    const column = 3 * 28 + 4;
    expect(panel.at(0, column)).toEqual([255, 255, 255]);
    expect(panel.at(0, 2 * column)).toEqual([66, 105, 208]);
  });

  it('refuses a fusion that came without its sources', async () => {
    const image = bytes([2, 2, 1], () => 0);
    const bare = { index: 0n, image, record: {}, weights: undefined, sources: [], raw: undefined };
    await expect(fusionPanel(bare)).rejects.toThrow(/expected an image with its weights and sources/);
  });
});
