import type { AttendResponse } from '@medformer/gen/encoder';
import { MedformerError } from '@medformer/schema';
import sharp from 'sharp';
import { toGrey } from './views.js';

/** The picture's longer side, at least: small images are enlarged by a whole factor, pixels kept square. */
const LEAST_EDGE = 256;
/** How much of a colour covers the hottest place. */
const MOST_COVER = 0.65;
/** Between the planes of a volume. */
const GAP = 4;

/** A cut through an image: its pixels row by row and the place in the volume of each. */
interface Plane {
  width: number;
  height: number;
  at(row: number, column: number): number[];
}

export type Heat = Pick<AttendResponse, 'image' | 'grid' | 'heat' | 'spatial' | 'patch'>;

/**
 * An image under the heat of its patches, as a PNG: of a volume the three planes through the hottest place, across its
 * first, second and third axis.
 */
export async function heatToPng(attended: Heat): Promise<Buffer> {
  const { image, spatial } = attended;
  if (!image || image.shape.length !== spatial.length + 1 || attended.heat.length === 0) {
    throw new MedformerError('DATA_LOSS', 'attention: expected an image and its heat, found none');
  }
  const edges = image.shape.slice(0, -1);
  const planes = planesOf(edges, hottestPixel(attended));
  const paint = painter(attended);
  const scale = Math.max(1, Math.ceil(LEAST_EDGE / Math.max(...planes.flatMap((p) => [p.width, p.height]))));
  const width = planes.reduce((sum, plane) => sum + plane.width * scale, GAP * (planes.length - 1));
  const height = Math.max(...planes.map((plane) => plane.height * scale));
  const pixels = new Uint8Array(3 * width * height);
  let left = 0;
  for (const plane of planes) {
    for (let y = 0; y < plane.height * scale; y += 1) {
      for (let x = 0; x < plane.width * scale; x += 1) {
        pixels.set(
          paint(plane.at((y + 0.5) / scale - 0.5, (x + 0.5) / scale - 0.5)),
          3 * (y * width + left + x),
        );
      }
    }
    left += plane.width * scale + GAP;
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** The middle of the hottest patch, in pixels of the image. */
export function hottestPixel({ image, grid, heat, spatial, patch }: Heat): number[] {
  let rest = heat.indexOf(Math.max(...heat));
  const cells = grid.map(() => 0);
  for (let axis = grid.length - 1; axis >= 0; axis -= 1) {
    cells[axis] = rest % grid[axis]!;
    rest = Math.floor(rest / grid[axis]!);
  }
  return cells.map((cell, axis) => {
    const edge = image!.shape[axis]!;
    const middle = ((cell + 0.5) * patch * edge) / spatial[axis]!;
    return Math.min(edge - 1, Math.floor(middle));
  });
}

function planesOf(edges: number[], through: number[]): Plane[] {
  if (edges.length === 2) {
    return [{ height: edges[0]!, width: edges[1]!, at: (row, column) => [row, column] }];
  }
  const [z, y, x] = through as [number, number, number];
  const [depth, rows, columns] = edges as [number, number, number];
  return [
    { height: rows, width: columns, at: (row, column) => [z, row, column] },
    { height: depth, width: columns, at: (row, column) => [row, y, column] },
    { height: depth, width: rows, at: (row, column) => [row, column, x] },
  ];
}

/** The colour of a place of the image: its nearest pixel in grey, the heat between the patches' middles over it. */
function painter({ image, grid, heat, spatial, patch }: Heat): (place: number[]) => number[] {
  const { shape } = image!;
  const values = toGrey(image!);
  const channels = shape.at(-1)!;
  const most = Math.max(...heat);
  return (place) => {
    const at = place.reduce((sum, c, axis) => sum * shape[axis]! + Math.round(clamp(c, shape[axis]! - 1)), 0);
    let grey = 0;
    for (let channel = 0; channel < channels; channel += 1)
      grey += values[at * channels + channel]! / channels;
    const cells = place.map((c, axis) => ((c + 0.5) * spatial[axis]!) / shape[axis]! / patch - 0.5);
    const share = between(heat, grid, cells) / most;
    const cover = MOST_COVER * share;
    return colourOf(share).map((part) => Math.round((1 - cover) * grey + cover * part));
  };
}

/** Linear interpolation in a grid of any number of axes; beyond the outer cells their own values. */
function between(
  values: readonly number[],
  grid: readonly number[],
  place: readonly number[],
  axis = 0,
  at = 0,
): number {
  if (axis === grid.length) return values[at]!;
  const edge = grid[axis]!;
  const inside = clamp(place[axis]!, edge - 1);
  const low = Math.floor(inside);
  const part = inside - low;
  const along = (cell: number) => between(values, grid, place, axis + 1, at * edge + cell);
  return part === 0 ? along(low) : (1 - part) * along(low) + part * along(low + 1);
}

const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, value));

/** Dark red over orange to bright yellow. */
function colourOf(share: number): [number, number, number] {
  return [128 + 127 * Math.min(1, 2 * share), 230 * Math.max(0, 1.5 * share - 0.5), 60 * share ** 2];
}
