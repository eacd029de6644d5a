import type { Fusion } from '@medformer/gen/augmentation';
import type { Tensor } from '@medformer/gen/common';
import { MedformerError } from '@medformer/schema';
import sharp from 'sharp';
import { toGrey } from './views.js';

/** A picture's longer side, at least: small images are enlarged by a whole factor, pixels kept square. */
const LEAST_EDGE = 112;
const GAP = 4;

/** Observable's ten colours, then again: which source a voxel is of. */
const COLOURS = [
  [66, 105, 208],
  [239, 177, 24],
  [255, 114, 92],
  [108, 197, 176],
  [60, 169, 81],
  [255, 138, 183],
  [164, 99, 242],
  [151, 187, 245],
  [156, 107, 78],
  [148, 152, 160],
] as const;

/** One column of the panel: the colour of each voxel. */
type Column = (voxel: number) => readonly number[];

/**
 * A fusion beside what it was made of, as a PNG: the fusion, before the generator if there was one, the regions in the
 * colours of their sources, then each source. Of a volume three rows: the middle planes across its first, second and third
 * axis, the head up.
 *
 * @throws MedformerError DATA_LOSS when the fusion came without its sources
 */
export async function fusionPanel({ image, weights, sources, raw }: Fusion): Promise<Buffer> {
  if (!image || !weights || sources.length === 0)
    throw new MedformerError(
      'DATA_LOSS',
      'fusion: expected an image with its weights and sources, found none',
    );
  const spatial = image.shape.slice(0, -1);
  const columns = [
    pixelsOf(image),
    ...(raw ? [pixelsOf(raw)] : []),
    regionsOf(weights),
    ...sources.map(pixelsOf),
  ];
  const rows = planesOf(spatial);
  const scale = Math.max(1, Math.ceil(LEAST_EDGE / Math.max(...spatial)));
  const tile = [
    Math.max(...rows.map(({ height }) => height)),
    Math.max(...rows.map(({ width }) => width)),
  ].map((edge) => edge * scale + GAP) as [number, number];
  const [height, width] = [tile[0] * rows.length - GAP, tile[1] * columns.length - GAP];
  const pixels = new Uint8Array(3 * width * height).fill(255);
  rows.forEach((plane, row) => {
    columns.forEach((colourOf, column) => {
      for (let y = 0; y < plane.height * scale; y += 1)
        for (let x = 0; x < plane.width * scale; x += 1)
          pixels.set(
            colourOf(plane.at(Math.floor(y / scale), Math.floor(x / scale))),
            3 * ((row * tile[0] + y) * width + column * tile[1] + x),
          );
    });
  });
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

interface Plane {
  height: number;
  width: number;
  /** The voxel at a place of the picture, counted from its upper left. */
  at(y: number, x: number): number;
}

/** An image as it is stored; of a volume the three planes through its middle, the last slice up. */
function planesOf(spatial: readonly number[]): Plane[] {
  if (spatial.length === 2) {
    const [height, width] = spatial as [number, number];
    return [{ height, width, at: (y, x) => y * width + x }];
  }
  const [depth, height, width] = spatial as [number, number, number];
  const [z, row, column] = spatial.map((edge) => Math.floor(edge / 2)) as [number, number, number];
  return [
    { height, width, at: (y, x) => (z * height + (height - 1 - y)) * width + x },
    { height: depth, width, at: (y, x) => ((depth - 1 - y) * height + row) * width + x },
    { height: depth, width: height, at: (y, x) => ((depth - 1 - y) * height + x) * width + column },
  ];
}

function pixelsOf(tensor: Tensor): Column {
  const grey = toGrey(tensor);
  const channels = tensor.shape.at(-1)!;
  return (voxel) => [0, 1, 2].map((channel) => grey[voxel * channels + Math.min(channel, channels - 1)]!);
}

/** Each voxel in the mean colour of its sources, by their weights. */
function regionsOf({ data, shape }: Tensor): Column {
  const weights = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [sources = 0, ...spatial] = shape;
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  return (voxel) =>
    [0, 1, 2].map((channel) => {
      let sum = 0;
      for (let source = 0; source < sources; source += 1)
        sum +=
          weights.getFloat32(4 * (source * voxels + voxel), true) *
          COLOURS[source % COLOURS.length]![channel]!;
      return Math.round(sum);
    });
}
