import { badInput } from '@medformer/schema';
import type { Tally } from '../tally.js';

const SIGNATURE_BYTES = 8;
/** What the pixels need (PNG third edition, section 11): text, times, EXIF, profiles and unknown chunks do not stay. */
const KEPT = new Set('IHDR PLTE IDAT IEND tRNS sBIT gAMA cHRM sRGB bKGD pHYs'.split(' '));

/**
 * A PNG of the chunks that its pixels need, each byte for byte, and nothing behind its end.
 * @throws MedformerError INVALID_ARGUMENT for chunks that do not fit the file
 */
export function cleanPng(bytes: Uint8Array, tally: Tally, file: string): Buffer {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Buffer[] = [source.subarray(0, SIGNATURE_BYTES)];
  let at = SIGNATURE_BYTES;
  for (let type = ''; type !== 'IEND'; ) {
    const end = at + 12 <= source.length ? at + 12 + source.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (end > source.length) {
      throw badInput({ file, field: 'chunks', expected: 'chunks up to IEND', found: 'an end before it' });
    }
    type = source.toString('latin1', at + 4, at + 8);
    if (KEPT.has(type)) chunks.push(source.subarray(at, end));
    else tally.add(/^[A-Za-z]{4}$/.test(type) && KNOWN.has(type) ? type : 'unknown chunk', 'X');
    at = end;
  }
  if (at < source.length) tally.add('trailing bytes', 'X');
  return Buffer.concat(chunks);
}

/** Named in the audit; other names are chosen by whoever wrote the file. */
const KNOWN = new Set('tEXt zTXt iTXt eXIf tIME iCCP hIST sPLT acTL fcTL fdAT cICP mDCV cLLI'.split(' '));
