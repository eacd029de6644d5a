import { CodecError } from './coded-frame.js';

/*
 * The marker segments of ITU-T T.81 (JPEG) as far as its Huffman-coded, non-hierarchical processes need them.
 */

export interface JpegComponent {
  id: number;
  /** Horizontal and vertical sampling factors. */
  h: number;
  v: number;
  quantisation: number;
}

export interface JpegFrame {
  /** SOF marker: 0xC0 baseline, 0xC1 extended sequential, 0xC3 lossless. */
  marker: number;
  precision: number;
  rows: number;
  columns: number;
  components: JpegComponent[];
}

export interface JpegScan {
  components: { component: JpegComponent; dc: HuffmanTable; ac: HuffmanTable | undefined }[];
  /** Start of spectral selection, or the predictor of a lossless scan. */
  spectralStart: number;
  /** Low bit position, or the point transform of a lossless scan. */
  low: number;
  restartInterval: number;
  /** Entropy-coded bytes between restart markers, without the stuffed zeros. */
  intervals: Uint8Array[];
}

export interface JpegImage {
  frame: JpegFrame;
  scans: JpegScan[];
  quantisation: (Uint16Array | undefined)[];
  /** Of Adobe's APP14 segment: 0 none, 1 YCbCr, 2 YCCK. */
  adobeTransform: number | undefined;
}

/** By the next 16 bits: code length in the high byte, symbol in the low one; 0 where no code begins so. */
export type HuffmanTable = Uint16Array;

const STANDALONE = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);
const MAX_SCANS = 64;

/** @throws CodecError for segments that are missing, damaged or of a process that is not Huffman and sequential. */
export function parseJpeg(bytes: Uint8Array): JpegImage {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new CodecError('a JPEG codestream', 'other bytes');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const quantisation: (Uint16Array | undefined)[] = [];
  const huffman = { dc: [] as HuffmanTable[], ac: [] as HuffmanTable[] };
  const scans: JpegScan[] = [];
  let frame: JpegFrame | undefined;
  let restartInterval = 0;
  let adobeTransform: number | undefined;
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff)
      throw new CodecError('a JPEG marker', `0x${bytes[at]!.toString(16)} at byte ${at}`);
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xd9) break;
    at += 2;
    if (STANDALONE(marker)) continue;
    const end = at + view.getUint16(at);
    const body = bytes.subarray(at + 2, end);
    if (end > bytes.length || end < at + 2) {
      throw new CodecError(`a whole JPEG segment 0x${marker.toString(16)}`, 'one cut short');
    }
    at = end;
    if (marker === 0xdb) readQuantisation(body, quantisation);
    else if (marker === 0xc4) readHuffman(body, huffman);
    else if (marker === 0xdd) restartInterval = byteAt(body, 0) * 256 + byteAt(body, 1);
    else if (marker === 0xee && Buffer.from(body.subarray(0, 5)).toString('latin1') === 'Adobe') {
      adobeTransform = body[11];
    } else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8 && marker !== 0xcc) {
      if (frame) throw new CodecError('one JPEG frame', 'two');
      frame = readFrame(marker, body);
    } else if (marker === 0xda) {
      if (!frame) throw new CodecError('a JPEG frame before its scan', 'none');
      if (scans.length === MAX_SCANS) throw new CodecError(`at most ${MAX_SCANS} scans`, 'more');
      const coded = entropyIntervals(bytes, at);
      at = coded.end;
      scans.push({ ...readScan(body, frame, huffman), restartInterval, intervals: coded.intervals });
    }
  }
  if (!frame || scans.length === 0) throw new CodecError('a JPEG frame and a scan', 'none');
  return { frame, scans, quantisation, adobeTransform };
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new CodecError('a whole JPEG segment', 'one cut short');
  return byte;
}

function readFrame(marker: number, body: Uint8Array): JpegFrame {
  const components: JpegComponent[] = [];
  for (let index = 0; index < byteAt(body, 5); index += 1) {
    const at = 6 + 3 * index;
    const sampling = byteAt(body, at + 1);
    const component = {
      id: byteAt(body, at),
      h: sampling >> 4,
      v: sampling & 15,
      quantisation: byteAt(body, at + 2),
    };
    if (component.h < 1 || component.h > 4 || component.v < 1 || component.v > 4) {
      throw new CodecError('sampling factors from 1 to 4', `${component.h} x ${component.v}`);
    }
    components.push(component);
  }
  return {
    marker,
    precision: byteAt(body, 0),
    rows: byteAt(body, 1) * 256 + byteAt(body, 2),
    columns: byteAt(body, 3) * 256 + byteAt(body, 4),
    components,
  };
}

function readQuantisation(body: Uint8Array, tables: (Uint16Array | undefined)[]): void {
  for (let at = 0; at < body.length; ) {
    const head = byteAt(body, at);
    const wide = head >> 4 === 1;
    at += 1;
    const table = new Uint16Array(64);
    for (let index = 0; index < 64; index += 1) {
      table[index] = wide ? byteAt(body, at) * 256 + byteAt(body, at + 1) : byteAt(body, at);
      at += wide ? 2 : 1;
    }
    tables[head & 15] = table;
  }
}

function readHuffman(body: Uint8Array, tables: { dc: HuffmanTable[]; ac: HuffmanTable[] }): void {
  for (let at = 0; at < body.length; ) {
    const head = byteAt(body, at);
    const counts = Array.from({ length: 16 }, (_, index) => byteAt(body, at + 1 + index));
    at += 17;
    const table = new Uint16Array(65_536);
    let code = 0;
    for (const [index, count] of counts.entries()) {
      const length = index + 1;
      for (let entry = 0; entry < count; entry += 1) {
        const begin = code << (16 - length);
        if (begin >= 65_536) throw new CodecError('a Huffman table of 16-bit codes', 'longer ones');
        table.fill((length << 8) | byteAt(body, at), begin, begin + (1 << (16 - length)));
        at += 1;
        code += 1;
      }
      code <<= 1;
    }
    (head >> 4 === 0 ? tables.dc : tables.ac)[head & 15] = table;
  }
}

function readScan(
  body: Uint8Array,
  frame: JpegFrame,
  huffman: { dc: HuffmanTable[]; ac: HuffmanTable[] },
): Pick<JpegScan, 'components' | 'spectralStart' | 'low'> {
  const count = byteAt(body, 0);
  const components = Array.from({ length: count }, (_, index) => {
    const id = byteAt(body, 1 + 2 * index);
    const tables = byteAt(body, 2 + 2 * index);
    const component = frame.components.find((one) => one.id === id);
    const dc = huffman.dc[tables >> 4];
    if (!component || !dc) throw new CodecError('a scan of known components and tables', `component ${id}`);
    return { component, dc, ac: huffman.ac[tables & 15] };
  });
  const after = 1 + 2 * count;
  return { components, spectralStart: byteAt(body, after), low: byteAt(body, after + 2) & 15 };
}

/** Up to the next marker that is no restart; a codestream that ends without one is taken as it is. */
function entropyIntervals(bytes: Uint8Array, begin: number): { intervals: Uint8Array[]; end: number } {
  const intervals: Uint8Array[] = [];
  let plain = new Uint8Array(bytes.length - begin);
  let filled = 0;
  let at = begin;
  for (;;) {
    const found = bytes.indexOf(0xff, at);
    const stop = found < 0 ? bytes.length : found;
    plain.set(bytes.subarray(at, stop), filled);
    filled += stop - at;
    const next = bytes[stop + 1];
    if (next === 0) {
      plain[filled] = 0xff;
      filled += 1;
      at = stop + 2;
      continue;
    }
    if (next === 0xff) {
      at = stop + 1;
      continue;
    }
    intervals.push(plain.subarray(0, filled));
    if (next === undefined || next < 0xd0 || next > 0xd7) return { intervals, end: stop };
    plain = plain.subarray(filled);
    filled = 0;
    at = stop + 2;
  }
}
