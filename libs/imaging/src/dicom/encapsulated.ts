import type { DataSet } from 'dicom-parser';
import type { Refuse } from './data-set.js';
import { PIXEL_ELEMENTS } from './pixel-module.js';

const FIELD = '(7FE0,0010) PixelData';
const ITEM = 0xe000_fffe;
const DELIMITER = 0xe0dd_fffe;
const UNDEFINED = 0xffff_ffff;

interface Fragment {
  /** From the first byte of the first fragment's item. */
  offset: number;
  bytes: Uint8Array;
}

/**
 * The compressed bytes of each frame of encapsulated pixel data (PS3.5 A.4): by the extended offset table, the basic
 * one, one fragment a frame, all fragments for one frame, or, where none of these tells, by the fragments that begin a
 * codestream.
 *
 * A missing end delimiter is no fault where the frames are whole.
 * @throws MedformerError INVALID_ARGUMENT
 */
export function encapsulatedFrames(data: DataSet, frames: number, refuse: Refuse): Uint8Array[] {
  const element = data.elements[PIXEL_ELEMENTS.integers];
  if (!element) throw refuse(FIELD, 'encapsulated frames', 'nothing');
  const end =
    element.length === UNDEFINED || element.hadUndefinedLength
      ? data.byteArray.length
      : element.dataOffset + element.length;
  const [table, fragments] = readItems(data.byteArray as Uint8Array, element.dataOffset, end, refuse);
  if (fragments.length === 0) throw refuse(FIELD, `${frames} frames`, 'no fragment');
  const offsets = extendedOffsets(data, frames) ?? basicOffsets(table, frames);
  if (frames === 1) return [joined(fragments)];
  if (offsets) return byOffsets(fragments, offsets, refuse);
  if (fragments.length === frames) return fragments.map(({ bytes }) => bytes);
  const begins = fragments.flatMap((fragment, index) => (beginsCodestream(fragment.bytes) ? [index] : []));
  if (begins.length === frames && begins[0] === 0) {
    return begins.map((begin, index) => joined(fragments.slice(begin, begins[index + 1])));
  }
  throw refuse(FIELD, `${frames} frames`, `${fragments.length} fragments and no table that tells them apart`);
}

function readItems(
  bytes: Uint8Array,
  begin: number,
  end: number,
  refuse: Refuse,
): [table: Uint8Array, fragments: Fragment[]] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const items: Fragment[] = [];
  let first = 0;
  for (let at = begin; at + 8 <= end; ) {
    const tag = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    if (tag === DELIMITER) break;
    if (tag !== ITEM || length === UNDEFINED) {
      throw refuse(FIELD, 'items of encapsulated pixel data', `tag ${tag.toString(16)} at byte ${at}`);
    }
    // What is cut short is left to the decoder, which knows whether the rest is needed.
    const data = bytes.subarray(at + 8, Math.min(end, at + 8 + length));
    if (items.length === 1) first = at;
    items.push({ offset: at - first, bytes: data });
    at += 8 + length;
  }
  const [table, ...fragments] = items;
  return [table?.bytes ?? new Uint8Array(0), fragments];
}

function basicOffsets(table: Uint8Array, frames: number): number[] | undefined {
  if (table.length < 4 * frames) return undefined;
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  return Array.from({ length: frames }, (_, index) => view.getUint32(4 * index, true));
}

function extendedOffsets(data: DataSet, frames: number): number[] | undefined {
  const element = data.elements.x7fe00001;
  if (!element || element.length < 8 * frames) return undefined;
  const bytes = data.byteArray as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset + element.dataOffset, element.length);
  return Array.from({ length: frames }, (_, index) => Number(view.getBigUint64(8 * index, true)));
}

function byOffsets(fragments: readonly Fragment[], offsets: readonly number[], refuse: Refuse): Uint8Array[] {
  const indexOf = new Map(fragments.map(({ offset }, index) => [offset, index]));
  const begins = offsets.map((offset) => {
    const index = indexOf.get(offset);
    if (index === undefined) throw refuse(FIELD, 'offsets of fragments', `${offset}`);
    return index;
  });
  return begins.map((begin, index) => {
    const end = begins[index + 1] ?? fragments.length;
    if (end <= begin) throw refuse(FIELD, 'offsets in the order of the frames', `${offsets[index]}`);
    return joined(fragments.slice(begin, end));
  });
}

function joined(fragments: readonly Fragment[]): Uint8Array {
  return fragments.length === 1 ? fragments[0]!.bytes : Buffer.concat(fragments.map(({ bytes }) => bytes));
}

/** JPEG's and JPEG-LS' start of image, JPEG 2000's start of codestream or its file signature. */
function beginsCodestream([a, b, c, d]: Uint8Array): boolean {
  return (
    (a === 0xff && (b === 0xd8 || (b === 0x4f && c === 0xff))) || (a === 0 && b === 0 && c === 0 && d === 12)
  );
}
