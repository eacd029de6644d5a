import { badInput } from '@medformer/schema';
import type { Tally } from '../tally.js';

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const COM = 0xfe;
const APP0 = 0xe0;
const APP14 = 0xee;
const JFIF_BYTES = 18;

/**
 * A JPEG of its image alone: without comments and application segments (EXIF, XMP, IPTC, thumbnails, profiles) other than
 * JFIF's header and Adobe's colour transform, and nothing behind its end.
 *
 * @throws MedformerError INVALID_ARGUMENT for segments that do not fit the file
 */
export function cleanJpeg(bytes: Uint8Array, tally: Tally, file: string): Buffer {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const refuse = () =>
    badInput({ file, field: 'segments', expected: 'segments up to the end of the image', found: 'others' });
  const kept: Buffer[] = [source.subarray(0, 2)];
  for (let at = 2; ; ) {
    while (source[at] === 0xff && source[at + 1] === 0xff) at += 1;
    const marker = source[at + 1];
    if (source[at] !== 0xff || marker === undefined || marker === SOI) throw refuse();
    if (marker === EOI) {
      kept.push(source.subarray(at, at + 2));
      if (at + 2 < source.length) tally.add('trailing bytes', 'X');
      return Buffer.concat(kept);
    }
    if (at + 4 > source.length) throw refuse();
    const end = at + 2 + source.readUInt16BE(at + 2);
    if (end > source.length || end < at + 4) throw refuse();
    const segment = keptSegment(marker, source.subarray(at, end));
    if (segment) kept.push(segment);
    if (segment === undefined || segment.length < end - at) tally.add(nameOf(marker), segment ? 'C' : 'X');
    at = end;
    if (marker === SOS) {
      const scan = endOfScan(source, at);
      kept.push(source.subarray(at, scan));
      at = scan;
    }
  }
}

function keptSegment(marker: number, segment: Buffer): Buffer | undefined {
  if (marker === COM) return undefined;
  if (marker < APP0 || marker > 0xef) return segment;
  const name = segment.toString('latin1', 4, 9);
  if (marker === APP14 && name === 'Adobe' && segment.length === 16) return segment;
  if (marker !== APP0 || name !== 'JFIF\0' || segment.length < JFIF_BYTES) return undefined;
  const header = Buffer.from(segment.subarray(0, JFIF_BYTES));
  header.writeUInt16BE(JFIF_BYTES - 2, 2);
  // No thumbnail follows.
  header.fill(0, JFIF_BYTES - 2);
  return header;
}

/** Where the entropy-coded data of a scan ends: at a marker other than a restart. */
function endOfScan(source: Buffer, begin: number): number {
  for (let at = begin; ; at += 2) {
    at = source.indexOf(0xff, at);
    if (at < 0) return source.length;
    const marker = source[at + 1] ?? EOI;
    if (marker !== 0 && (marker < 0xd0 || marker > 0xd7)) return at;
  }
}

function nameOf(marker: number): string {
  return marker === COM ? 'COM' : `APP${marker - APP0}`;
}
