import type { Fusion } from '@medformer/gen/augmentation';
import { DataType, type Tensor } from '@medformer/gen/common';
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

/** The colour of each voxel. */
type Colours = (voxel: number) => readonly number[];

/** What a fusion looks like, or what it was made of. */
export interface FusionPicture {
  /** `fusion`, `before repair`, `regions`, `source 1` and so on. */
  name: string;
  /** uint8 [height, width, 3]; of a volume the middle planes across its first, second and third axis one below the other. */
  picture: Tensor;
}

/**
 * A fusion beside what it was made of: the fusion, before the generator if there was one, the regions in the colours of
 * their sources, then each source; the head up.
 *
 * @throws MedformerError DATA_LOSS when the fusion came without its sources
 */
export function fusionPictures({ image, weights, sources, raw }: Fusion): FusionPicture[] {
  if (!image || !weights || sources.length === 0)
    throw new MedformerError(
      'DATA_LOSS',
      'fusion: expected an image with its weights and sources, found none',
    );
  const planes = planesOf(image.shape.slice(0, -1));
  const scale = Math.max(1, Math.ceil(LEAST_EDGE / Math.max(...image.shape.slice(0, -1))));
  const pictured = (name: string, colours: Colours) => ({ name, picture: stacked(planes, scale, colours) });
  return [
    pictured('fusion', pixelsOf(image)),
    ...(raw ? [pictured('before repair', pixelsOf(raw))] : []),
    pictured('regions', regionsOf(weights)),
    ...sources.map((source, at) => pictured(`source ${at + 1}`, pixelsOf(source))),
  ];
}

/** The pictures of a fusion side by side, as a PNG. @throws MedformerError as `fusionPictures` */
export async function fusionPanel(fusion: Fusion): Promise<Buffer> {
  const pictures = fusionPictures(fusion).map(({ picture }) => picture);
  const [height, tile] = pictures[0]!.shape as [number, number];
  const width = pictures.length * (tile + GAP) - GAP;
  const pixels = Buffer.alloc(3 * width * height, 255);
  pictures.forEach(({ data }, column) => {
    for (let y = 0; y < height; y += 1)
      pixels.set(data.subarray(3 * y * tile, 3 * (y + 1) * tile), 3 * (y * width + column * (tile + GAP)));
  });
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** Planes one below the other, each voxel `scale` times as large, on white. */
function stacked(planes: readonly Plane[], scale: number, colours: Colours): Tensor {
  const tile = Math.max(...planes.map((plane) => plane.height)) * scale + GAP;
  const width = Math.max(...planes.map((plane) => plane.width)) * scale;
  const height = tile * planes.length - GAP;
  const pixels = Buffer.alloc(3 * width * height, 255);
  planes.forEach((plane, row) => {
    for (let y = 0; y < plane.height * scale; y += 1)
      for (let x = 0; x < plane.width * scale; x += 1)
        pixels.set(
          colours(plane.at(Math.floor(y / scale), Math.floor(x / scale))),
          3 * ((row * tile + y) * width + x),
        );
  });
  return { dataType: DataType.DATA_TYPE_UINT8, shape: [height, width, 3], data: pixels };
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

function pixelsOf(tensor: Tensor): Colours {
  const grey = toGrey(tensor);
  const channels = tensor.shape.at(-1)!;
  return (voxel) => [0, 1, 2].map((channel) => grey[voxel * channels + Math.min(channel, channels - 1)]!);
}

/** Each voxel in the mean colour of its sources, by their weights. */
function regionsOf({ data, shape }: Tensor): Colours {
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
