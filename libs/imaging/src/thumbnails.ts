import sharp from 'sharp';

export interface Thumbnail {
  /** `image`; of a volume `axial`, `coronal` and `sagittal`, or its axes where nothing says how it lies. */
  plane: string;
  /** 8 bits, grey or colour. */
  png: Buffer;
}

interface Pictured {
  /** `[height, width, 1 or 3]`, or the same after a depth. */
  shape: readonly number[];
  /** Over [0, 1]; uint16 keeps its upper byte. */
  pixels: Uint8Array | Uint16Array;
  spacingMm?: readonly number[] | undefined;
  orientation?: 'RAS' | undefined;
}

interface Axis {
  edge: number;
  step: number;
  mm: number;
}

/**
 * Small pictures of an image, of a volume one through its middle along each axis, in the proportions that its spacing
 * gives. Where the orientation is known they are as radiologists hang them: head or front up, the patient's right or
 * front to the left.
 *
 * @param edge the most pixels of a picture's longer side; small images are not enlarged
 */
export async function renderThumbnails(image: Pictured, edge: number): Promise<Thumbnail[]> {
  const channels = image.shape.at(-1)!;
  const axes = axesOf(image, channels);
  const [x, y, z] = axes.toReversed() as [Axis, Axis, Axis?];
  const known = image.orientation !== undefined;
  const picture = (rows: Axis, columns: Axis, through: Axis | undefined) =>
    encode(cut(image.pixels, { rows, columns, through, channels, turned: known }), rows, columns, {
      channels: channels as 1 | 3,
      edge,
    });
  if (!z) return [{ plane: 'image', png: await picture(y, x, undefined) }];
  const names = known ? ['axial', 'coronal', 'sagittal'] : ['first axis', 'second axis', 'third axis'];
  const pngs = await Promise.all([picture(y, x, z), picture(z, x, y), picture(z, y, x)]);
  return pngs.map((png, at) => ({ plane: names[at]!, png }));
}

function axesOf({ shape, spacingMm }: Pictured, channels: number): Axis[] {
  const edges = shape.slice(0, -1);
  if (![2, 3].includes(edges.length) || ![1, 3].includes(channels)) {
    throw new RangeError(`expected [depth, height, width, 1 or 3] or no depth, found [${shape.join(', ')}]`);
  }
  let step = channels;
  return edges
    .map((edge, axis) => ({ edge, mm: spacingMm?.[axis] ?? 1 }))
    .reduceRight<Axis[]>((axes, { edge, mm }) => {
      axes.unshift({ edge, mm, step });
      step *= edge;
      return axes;
    }, []);
}

/** The plane through the middle of an axis as 8-bit values, by half a turn where both of its axes run the other way. */
function cut(
  pixels: Uint8Array | Uint16Array,
  {
    rows,
    columns,
    through,
    channels,
    turned,
  }: { rows: Axis; columns: Axis; through: Axis | undefined; channels: number; turned: boolean },
): Uint8Array {
  const shift = pixels instanceof Uint16Array ? 8 : 0;
  const start = through ? (through.edge >> 1) * through.step : 0;
  const plane = new Uint8Array(rows.edge * columns.edge * channels);
  let to = 0;
  for (let row = 0; row < rows.edge; row += 1) {
    const from = start + (turned ? rows.edge - 1 - row : row) * rows.step;
    for (let column = 0; column < columns.edge; column += 1) {
      const at = from + (turned ? columns.edge - 1 - column : column) * columns.step;
      for (let channel = 0; channel < channels; channel += 1) plane[to++] = pixels[at + channel]! >> shift;
    }
  }
  return plane;
}

function encode(
  values: Uint8Array,
  rows: Axis,
  columns: Axis,
  { channels, edge }: { channels: 1 | 3; edge: number },
): Promise<Buffer> {
  const [height, width] = [rows.edge * rows.mm, columns.edge * columns.mm];
  const longest = Math.min(edge, Math.max(rows.edge, columns.edge));
  const scaled = (length: number) => Math.max(1, Math.round((longest * length) / Math.max(height, width)));
  return sharp(values, { raw: { height: rows.edge, width: columns.edge, channels } })
    .resize({ height: scaled(height), width: scaled(width), fit: 'fill' })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
}
