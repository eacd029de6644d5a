import { badInput } from '@medformer/schema';
import type { Tally } from '../tally.js';

/** What the pixels need (TIFF 6.0): descriptions, names, dates, EXIF, GPS, XMP, IPTC, profiles and private fields go. */
const KEPT = new Set([
  254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 296, 292, 293,
  317, 320, 322, 323, 324, 325, 338, 339, 340, 341, 529, 530, 531, 532,
]);
const BLOCKS: readonly (readonly [offsets: number, counts: number])[] = [
  [273, 279],
  [324, 325],
];
/** Compressions whose data holds pixels only: a JPEG in a TIFF can carry comments of its own. */
const COMPRESSIONS = new Set([1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000]);
const TYPE_BYTES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];
const LONG = 4;
const MAX_PAGES = 65_536;

interface Field {
  tag: number;
  type: number;
  count: number;
  value: Buffer;
}

/**
 * A TIFF of the fields that its pixels need, strips and tiles byte for byte, every page.
 * @throws MedformerError INVALID_ARGUMENT for BigTIFF, JPEG inside and what does not fit the file
 */
export function cleanTiff(bytes: Uint8Array, tally: Tally, file: string): Buffer {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const refuse = (field: string, expected: string, found: string) =>
    badInput({ file, field, expected, found });
  const little = source.toString('latin1', 0, 2) === 'II';
  const order = new Order(source, little, () => refuse('fields', 'offsets inside the file', 'others'));
  if (order.uint16(2) !== 42) throw refuse('header', 'a classic TIFF', 'another, perhaps BigTIFF');
  const out = new Output(little);
  let next = order.uint32(4);
  for (let page = 0; next !== 0; page += 1) {
    if (page >= MAX_PAGES) throw refuse('pages', `at most ${MAX_PAGES}`, 'more, or a loop of them');
    const count = order.uint16(next);
    const fields: Field[] = [];
    for (let index = 0; index < count; index += 1) {
      const field = order.field(next + 2 + 12 * index);
      if (KEPT.has(field.tag)) fields.push(field);
      else tally.add(NAMES[field.tag] ?? 'other field', 'X');
    }
    const number = (tag: number) => order.numbers(fields.find((field) => field.tag === tag))[0];
    if (!COMPRESSIONS.has(number(259) ?? 1)) {
      throw refuse('Compression', 'one that holds pixels only', String(number(259)));
    }
    out.page(fields, order);
    next = order.uint32(next + 2 + 12 * count);
  }
  return out.bytes();
}

const NAMES: Readonly<Record<number, string>> = {
  269: 'DocumentName',
  270: 'ImageDescription',
  271: 'Make',
  272: 'Model',
  285: 'PageName',
  305: 'Software',
  306: 'DateTime',
  315: 'Artist',
  316: 'HostComputer',
  330: 'SubIFDs',
  700: 'XMP',
  33432: 'Copyright',
  33723: 'IPTC',
  34377: 'Photoshop',
  34665: 'EXIF',
  34675: 'ICCProfile',
  34853: 'GPS',
};

/** Reads numbers in the file's byte order, inside the file. */
class Order {
  constructor(
    private readonly source: Buffer,
    readonly little: boolean,
    private readonly refuse: () => Error,
  ) {}

  uint16(at: number): number {
    const bytes = this.slice(at, 2);
    return this.little ? bytes.readUInt16LE() : bytes.readUInt16BE();
  }

  uint32(at: number): number {
    const bytes = this.slice(at, 4);
    return this.little ? bytes.readUInt32LE() : bytes.readUInt32BE();
  }

  slice(at: number, length: number): Buffer {
    if (at + length > this.source.length) throw this.refuse();
    return this.source.subarray(at, at + length);
  }

  field(at: number): Field {
    const [tag, type, count] = [this.uint16(at), this.uint16(at + 2), this.uint32(at + 4)];
    const length = (TYPE_BYTES[type] ?? 0) * count;
    const value = length <= 4 ? this.slice(at + 8, length) : this.slice(this.uint32(at + 8), length);
    return { tag, type, count, value };
  }

  /** The values of a field of SHORT or LONG. */
  numbers(field: Field | undefined): number[] {
    if (!field || (field.type !== 3 && field.type !== 4)) return [];
    const { value, type, count } = field;
    const read = (index: number) =>
      type === 3
        ? this.little
          ? value.readUInt16LE(2 * index)
          : value.readUInt16BE(2 * index)
        : this.little
          ? value.readUInt32LE(4 * index)
          : value.readUInt32BE(4 * index);
    return Array.from({ length: count }, (_, index) => read(index));
  }
}

class Output {
  private readonly chunks: Buffer[];
  private length = 8;
  /** Where the offset of the next page is to be written. */
  private link: { chunk: Buffer; at: number };

  constructor(private readonly little: boolean) {
    const header = Buffer.from(little ? 'II*\0\0\0\0\0' : 'MM\0*\0\0\0\0', 'latin1');
    this.chunks = [header];
    this.link = { chunk: header, at: 4 };
  }

  page(fields: readonly Field[], order: Order): void {
    const moved = fields.map((field) => this.moveBlocks(field, fields, order));
    const placed = moved.map((field) => ({
      ...field,
      at: field.value.length > 4 ? this.append(field.value) : 0,
    }));
    const directory = Buffer.alloc(2 + 12 * placed.length + 4);
    this.write(directory, 0, placed.length, 2);
    for (const [index, { tag, type, count, value, at }] of placed.entries()) {
      const entry = 2 + 12 * index;
      this.write(directory, entry, tag, 2);
      this.write(directory, entry + 2, type, 2);
      this.write(directory, entry + 4, count, 4);
      if (value.length > 4) this.write(directory, entry + 8, at, 4);
      else value.copy(directory, entry + 8);
    }
    this.write(this.link.chunk, this.link.at, this.append(directory), 4);
    this.link = { chunk: directory, at: directory.length - 4 };
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  private moveBlocks(field: Field, fields: readonly Field[], order: Order): Field {
    const [, countsTag] = BLOCKS.find(([offsets]) => offsets === field.tag) ?? [];
    if (countsTag === undefined) return field;
    const lengths = order.numbers(fields.find(({ tag }) => tag === countsTag));
    const value = Buffer.alloc(4 * field.count);
    for (const [index, offset] of order.numbers(field).entries()) {
      this.write(value, 4 * index, this.append(order.slice(offset, lengths[index] ?? 0)), 4);
    }
    return { ...field, type: LONG, value };
  }

  /** Appends at an even offset, which it returns. */
  private append(bytes: Buffer): number {
    const at = this.length;
    this.chunks.push(bytes);
    this.length += bytes.length;
    if (bytes.length % 2 === 1) {
      this.chunks.push(Buffer.alloc(1));
      this.length += 1;
    }
    return at;
  }

  private write(buffer: Buffer, at: number, value: number, bytes: 2 | 4): void {
    if (this.little) buffer.writeUIntLE(value, at, bytes);
    else buffer.writeUIntBE(value, at, bytes);
  }
}
