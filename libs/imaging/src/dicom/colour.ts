import type { SampleValues } from '../codecs/coded-frame.js';
import type { DicomFile, Refuse } from './data-set.js';
import type { PixelModule } from './pixel-module.js';

/**
 * YBR_FULL as RGB, in place (PS3.3 C.7.6.3.1.2, full range).
 * @param begin, end the samples to convert.
 */
export function ybrToRgb(values: SampleValues, begin: number, end: number, bits: number): void {
  const centre = 2 ** (bits - 1);
  const largest = 2 ** bits - 1;
  const clamp = (value: number) => Math.min(largest, Math.max(0, Math.round(value)));
  for (let at = begin; at < end; at += 3) {
    const luminance = values[at]!;
    const blue = values[at + 1]! - centre;
    const red = values[at + 2]! - centre;
    values[at] = clamp(luminance + 1.402 * red);
    values[at + 1] = clamp(luminance - ((0.114 * 1.772) / 0.587) * blue - ((0.299 * 1.402) / 0.587) * red);
    values[at + 2] = clamp(luminance + 1.772 * blue);
  }
}

/** Stored values through the red, green and blue palettes (PS3.3 C.7.9.2), segmented ones unrolled first. */
export function applyPalette(
  values: SampleValues,
  { data, refuse, syntax }: DicomFile,
  { signed }: PixelModule,
): Uint8Array | Uint16Array {
  const tables = [0x1101, 0x1102, 0x1103].map((descriptor, index) => {
    const tag = `x0028${descriptor.toString(16)}`;
    const plain = data.elements[`x0028120${index + 1}`];
    const segmented = data.elements[`x0028122${index + 1}`];
    const element = plain ?? segmented;
    const [entries, first, bits] = [0, 1, 2].map((at) => data.uint16(tag, at));
    if (!element || entries === undefined || first === undefined || (bits !== 8 && bits !== 16)) {
      const found = bits === undefined ? 'none' : `${bits} bits`;
      throw refuse(`(0028,${descriptor.toString(16)}) palette`, 'a palette of 8 or 16 bits', found);
    }
    const bytes = (data.byteArray as Uint8Array).slice(
      element.dataOffset,
      element.dataOffset + element.length,
    );
    const count = entries || 65_536;
    const words = wordsOf(bytes, plain ? count : bytes.length / 2, syntax.bigEndian === true, bits, refuse);
    const table = plain ? words : unrolled(words, count, refuse);
    if (table.length < count) throw refuse('palette', `${count} entries`, `${table.length}`);
    return { table, first: signed ? (first << 16) >> 16 : first, bits, count };
  });
  const wide = tables.some(({ bits }) => bits === 16);
  const colours = wide ? new Uint16Array(values.length * 3) : new Uint8Array(values.length * 3);
  for (const [sample, { table, first, count }] of tables.entries()) {
    let to = sample;
    for (let index = 0; index < values.length; index += 1) {
      const entry = Math.min(count - 1, Math.max(0, values[index]! - first));
      colours[to] = table[entry]!;
      to += 3;
    }
  }
  return colours;
}

/** Entries of a table; those of 8 bits stand two in a word, or one in a word each. */
export function wordsOf(
  bytes: Uint8Array,
  count: number,
  bigEndian: boolean,
  bits: number,
  refuse: Refuse,
): Uint16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bits === 8 && bytes.length < 2 * count) {
    if (bytes.length < count) throw refuse('look-up table', `${count} entries`, `${bytes.length} bytes`);
    // A word's first entry is its low byte.
    return Uint16Array.from({ length: count }, (_, index) => bytes[bigEndian ? index ^ 1 : index]!);
  }
  if (bytes.length < 2 * Math.floor(count)) {
    throw refuse('look-up table', `${count} entries`, `${bytes.length} bytes`);
  }
  return Uint16Array.from({ length: Math.floor(count) }, (_, index) => view.getUint16(2 * index, !bigEndian));
}

/** Discrete, linear and indirect segments (PS3.3 C.7.9.2). */
function unrolled(words: Uint16Array, count: number, refuse: Refuse): Uint16Array {
  const table = new Uint16Array(count);
  let filled = 0;
  const put = (value: number) => {
    if (filled >= count) throw refuse('segmented palette', `${count} entries`, 'more');
    table[filled] = value;
    filled += 1;
  };
  const segment = (begin: number): number => {
    const kind = words[begin] ?? 3;
    const length = words[begin + 1] ?? 0;
    if (kind === 0) {
      for (let index = 0; index < length; index += 1) put(words[begin + 2 + index] ?? 0);
      return begin + 2 + length;
    }
    if (kind === 1) {
      const from = filled === 0 ? (words[begin + 2] ?? 0) : table[filled - 1]!;
      const to = words[begin + 2] ?? 0;
      for (let step = 1; step <= length; step += 1) put(Math.round(from + ((to - from) * step) / length));
      return begin + 3;
    }
    throw refuse('segmented palette', 'discrete, linear or indirect segments', `kind ${kind}`);
  };
  for (let at = 0; at < words.length && filled < count; ) {
    if (words[at] !== 2) {
      at = segment(at);
      continue;
    }
    let source = ((words[at + 2] ?? 0) | ((words[at + 3] ?? 0) << 16)) / 2;
    for (let index = 0; index < (words[at + 1] ?? 0); index += 1) source = segment(source);
    at += 4;
  }
  return table.subarray(0, filled);
}
