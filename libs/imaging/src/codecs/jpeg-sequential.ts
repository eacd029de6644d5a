import { CodecError, type CodedFrame, checkFrameSize, type DecodedFrame } from './coded-frame.js';
import { type HuffmanTable, type JpegComponent, type JpegImage, parseJpeg } from './jpeg-segments.js';

/** Where the coefficients of a block stand, in the order in which they are coded (T.81 figure A.6). */
const ZIGZAG = Uint8Array.of(
  0,
  1,
  8,
  16,
  9,
  2,
  3,
  10,
  17,
  24,
  32,
  25,
  18,
  11,
  4,
  5,
  12,
  19,
  26,
  33,
  40,
  48,
  41,
  34,
  27,
  20,
  13,
  6,
  7,
  14,
  21,
  28,
  35,
  42,
  49,
  56,
  57,
  50,
  43,
  36,
  29,
  22,
  15,
  23,
  30,
  37,
  44,
  51,
  58,
  59,
  52,
  45,
  38,
  31,
  39,
  46,
  53,
  60,
  61,
  54,
  47,
  55,
  62,
  63,
);
/** `COSINES[8 u + x]` = c(u) / 2 cos((2x + 1) u pi / 16) of T.81 A.3.3. */
const COSINES = Float32Array.from({ length: 64 }, (_, index) => {
  const u = index >> 3;
  return (u === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos((((index & 7) * 2 + 1) * u * Math.PI) / 16);
});

interface Plane {
  component: JpegComponent;
  /** Padded to whole blocks. */
  width: number;
  samples: Uint16Array;
}

/**
 * Baseline and extended sequential JPEG with Huffman coding (T.81 processes 1, 2 and 4) of 8 or 12 bits: what
 * libjpeg builds of 8 bits do not read. Subsampled components are repeated.
 *
 * @param rgb whether three components are luminance and chrominance (JFIF's equations), to be turned into RGB.
 * @throws CodecError
 */
export function decodeJpegSequential(coded: CodedFrame, rgb: boolean): DecodedFrame {
  const image = parseJpeg(coded.bytes);
  const { frame } = image;
  if (frame.marker !== 0xc0 && frame.marker !== 0xc1) {
    throw new CodecError('a sequential JPEG frame (SOF0, SOF1)', `SOF${frame.marker - 0xc0}`);
  }
  if (frame.precision !== 8 && frame.precision !== 12) {
    throw new CodecError('8 or 12 bits', `${frame.precision}`);
  }
  checkFrameSize(coded, { rows: frame.rows, columns: frame.columns, samples: frame.components.length });
  const values = assemble(image, decodePlanes(image));
  if (rgb && frame.components.length === 3) toRgb(values, frame.precision);
  return {
    values: frame.precision === 8 ? Uint8Array.from(values) : values,
    bits: frame.precision,
    signed: false,
    rgb,
  };
}

function decodePlanes(image: JpegImage): Plane[] {
  const { frame, scans } = image;
  const maxH = Math.max(...frame.components.map(({ h }) => h));
  const maxV = Math.max(...frame.components.map(({ v }) => v));
  const across = Math.ceil(frame.columns / (8 * maxH));
  const down = Math.ceil(frame.rows / (8 * maxV));
  const planes = frame.components.map((component) => {
    const width = across * component.h * 8;
    return { component, width, samples: new Uint16Array(width * down * component.v * 8) };
  });
  for (const scan of scans) {
    const coded = scan.components.map(({ component, dc, ac }) => {
      const plane = planes.find((one) => one.component === component)!;
      const table = image.quantisation[component.quantisation];
      if (!ac || !table)
        throw new CodecError('tables of every component', `none of component ${component.id}`);
      return { plane, table, dc, ac, prediction: 0 };
    });
    const alone = coded.length === 1 ? coded[0]! : undefined;
    // A scan of one component has no padding blocks (T.81 A.2.2).
    const columns = alone
      ? Math.ceil(Math.ceil((frame.columns * alone.plane.component.h) / maxH) / 8)
      : across;
    const rows = alone ? Math.ceil(Math.ceil((frame.rows * alone.plane.component.v) / maxV) / 8) : down;
    const units = columns * rows;
    const every = scan.restartInterval || units;
    if (scan.intervals.length < Math.ceil(units / every)) {
      throw new CodecError(`${Math.ceil(units / every)} restart intervals`, `${scan.intervals.length}`);
    }
    const block = new Float32Array(64);
    for (let begin = 0; begin < units; begin += every) {
      const bits = new Bits(scan.intervals[begin / every]!);
      for (const one of coded) one.prediction = 0;
      for (let unit = begin; unit < Math.min(units, begin + every); unit += 1) {
        const column = unit % columns;
        const row = Math.floor(unit / columns);
        for (const one of coded) {
          const { h, v } = alone ? { h: 1, v: 1 } : one.plane.component;
          for (let y = 0; y < v; y += 1) {
            for (let x = 0; x < h; x += 1) {
              one.prediction = readBlock(bits, one, block);
              inverseTransform(block, one.plane, (row * v + y) * 8, (column * h + x) * 8, frame.precision);
            }
          }
        }
      }
      bits.refuseOverrun();
    }
  }
  return planes;
}

function readBlock(
  bits: Bits,
  {
    dc,
    ac,
    table,
    prediction,
  }: { dc: HuffmanTable; ac: HuffmanTable; table: Uint16Array; prediction: number },
  block: Float32Array,
): number {
  block.fill(0);
  const value = prediction + bits.signed(bits.symbol(dc));
  block[0] = value * table[0]!;
  for (let index = 1; index < 64; index += 1) {
    const symbol = bits.symbol(ac);
    const size = symbol & 15;
    if (size === 0) {
      if (symbol !== 0xf0) break;
      index += 15;
      continue;
    }
    index += symbol >> 4;
    if (index > 63) throw new CodecError('64 coefficients a block', 'more');
    block[ZIGZAG[index]!] = bits.signed(size) * table[index]!;
  }
  return value;
}

const passed = new Float32Array(64);

function inverseTransform(
  block: Float32Array,
  plane: Plane,
  row: number,
  column: number,
  precision: number,
): void {
  const centre = 1 << (precision - 1);
  const largest = 2 * centre - 1;
  for (let v = 0; v < 8; v += 1) {
    for (let x = 0; x < 8; x += 1) {
      let sum = 0;
      for (let u = 0; u < 8; u += 1) sum += block[8 * v + u]! * COSINES[8 * u + x]!;
      passed[8 * v + x] = sum;
    }
  }
  for (let y = 0; y < 8; y += 1) {
    const at = (row + y) * plane.width + column;
    for (let x = 0; x < 8; x += 1) {
      let sum = centre + 0.5;
      for (let v = 0; v < 8; v += 1) sum += passed[8 * v + x]! * COSINES[8 * v + y]!;
      plane.samples[at + x] = Math.min(largest, Math.max(0, Math.floor(sum)));
    }
  }
}

function assemble({ frame }: JpegImage, planes: readonly Plane[]): Uint16Array {
  const { rows, columns, components } = frame;
  const maxH = Math.max(...components.map(({ h }) => h));
  const maxV = Math.max(...components.map(({ v }) => v));
  const values = new Uint16Array(rows * columns * planes.length);
  for (const [sample, { component, width, samples }] of planes.entries()) {
    let to = sample;
    for (let row = 0; row < rows; row += 1) {
      const line = Math.floor((row * component.v) / maxV) * width;
      for (let column = 0; column < columns; column += 1) {
        values[to] = samples[line + Math.floor((column * component.h) / maxH)]!;
        to += planes.length;
      }
    }
  }
  return values;
}

function toRgb(values: Uint16Array, precision: number): void {
  const centre = 1 << (precision - 1);
  const clamp = (value: number) => Math.min(2 * centre - 1, Math.max(0, Math.round(value)));
  for (let at = 0; at < values.length; at += 3) {
    const luminance = values[at]!;
    const blue = values[at + 1]! - centre;
    const red = values[at + 2]! - centre;
    values[at] = clamp(luminance + 1.402 * red);
    values[at + 1] = clamp(luminance - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587);
    values[at + 2] = clamp(luminance + 1.772 * blue);
  }
}

class Bits {
  private accumulator = 0;
  private available = 0;
  private position = 0;

  constructor(private readonly bytes: Uint8Array) {}

  symbol(table: HuffmanTable): number {
    this.fill();
    const entry = table[this.accumulator >>> 16]!;
    if (entry === 0) throw new CodecError('Huffman codes of the table', 'another bit pattern');
    this.skip(entry >> 8);
    return entry & 0xff;
  }

  /** T.81 F.2.2.1: the value of `size` bits, whose first tells the sign. */
  signed(size: number): number {
    if (size === 0) return 0;
    if (size > 15) throw new CodecError('values of at most 15 bits', `${size}`);
    this.fill();
    const raw = this.accumulator >>> (32 - size);
    this.skip(size);
    return raw >= 1 << (size - 1) ? raw : raw - (1 << size) + 1;
  }

  refuseOverrun(): void {
    if (this.position - (this.available >> 3) <= this.bytes.length) return;
    throw new CodecError('a whole entropy-coded scan', 'one cut short');
  }

  private fill(): void {
    while (this.available <= 24) {
      const byte = this.position < this.bytes.length ? this.bytes[this.position]! : 0;
      this.accumulator |= byte << (24 - this.available);
      this.position += 1;
      this.available += 8;
    }
  }

  private skip(count: number): void {
    this.accumulator <<= count;
    this.available -= count;
  }
}
