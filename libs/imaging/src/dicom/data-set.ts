import { inflateRawSync } from 'node:zlib';
import { badInput, MedformerError } from '@medformer/schema';
import dicomParser, { type DataSet } from 'dicom-parser';
import { MAX_IMAGE_BYTES } from '../voxels.js';
import { OTHER_SYNTAXES, TRANSFER_SYNTAXES, type TransferSyntax } from './transfer-syntaxes.js';

export type Refuse = (field: string, expected: string, found: string, cause?: unknown) => MedformerError;

export interface DicomFile {
  /** What errors call it. */
  file: string;
  /** As dicom-parser reads it, up to and without the value of the pixel data. */
  data: DataSet;
  syntax: TransferSyntax;
  refuse: Refuse;
}

const PIXEL_DATA = 'x7fe00010';
const OFFSET_TABLE = 'x7fe00001';
const IMPLICIT = '1.2.840.10008.1.2';
/** The group with which a data set without a file's header begins. */
const IDENTIFYING_GROUP = 0x0008;

/** True for the preamble and mark of a DICOM file (PS3.10 section 7.1). */
export function isDicom(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(128, 132)).toString('latin1') === 'DICM';
}

/**
 * Runs `read` on a file's data set. dicom-parser throws strings and RangeErrors, also from its accessors, where
 * lengths do not fit the bytes; they become refusals.
 *
 * @throws MedformerError INVALID_ARGUMENT naming the attribute, or the transfer syntax that is not read.
 */
export function readDicom<Result>(
  bytes: Uint8Array,
  file: string,
  read: (dicom: DicomFile) => Result,
): Result {
  const refuse: Refuse = (field, expected, found, cause) =>
    badInput({ file, field, expected, found }, { cause });
  const damaged = (cause: unknown) =>
    refuse('data set', 'a whole DICOM file', `one that cannot be parsed (${bytes.length} bytes)`, cause);
  const known = (cause: unknown) => {
    throw cause instanceof MedformerError ? cause : damaged(cause);
  };
  try {
    const result = read({ file, ...parse(bytes, refuse) });
    return result instanceof Promise ? (result.catch(known) as Result) : result;
  } catch (cause) {
    return known(cause);
  }
}

function parse(bytes: Uint8Array, refuse: Refuse): Omit<DicomFile, 'file'> {
  const whole = isDicom(bytes) ? bytes : withPreamble(bytes, refuse);
  const meta = dicomParser.readPart10Header(whole) as DataSet & { position: number };
  const uid = meta.string('x00020010') ?? 'nothing';
  const syntax = TRANSFER_SYNTAXES[uid];
  if (!syntax) {
    const name = OTHER_SYNTAXES[uid];
    const found = name ? `${name} (${uid})` : uid.slice(0, 64);
    const expected = 'an uncompressed, deflated, RLE, JPEG, JPEG-LS, JPEG 2000 or HTJ2K image syntax';
    throw refuse('(0002,0010) TransferSyntaxUID', expected, found);
  }
  const inflater = (file: Uint8Array, position: number) => inflate(file, position, refuse);
  const asStated = syntax.deflated || uid === IMPLICIT || isExplicit(whole, meta.position);
  const parsed = asStated ? whole : withPreamble(whole.subarray(meta.position), refuse);
  const parse = (untilTag: string) => dicomParser.parseDicom(parsed, { untilTag, inflater });
  try {
    return { data: parse(PIXEL_DATA), syntax, refuse };
  } catch (cause) {
    const found = (cause as { dataSet?: DataSet }).dataSet?.elements[OFFSET_TABLE];
    if (!found) throw cause;
    return { data: withOffsetTable(parse(OFFSET_TABLE)), syntax, refuse };
  }
}

/** dicom-parser takes the length of the value representation OV for one of 16 bits: what begins with it is read here. */
function withOffsetTable(data: DataSet): DataSet {
  const table = data.elements[OFFSET_TABLE]!;
  const bytes = Buffer.from(data.byteArray.buffer, data.byteArray.byteOffset, data.byteArray.length);
  for (let at = table.dataOffset - 8; at + 12 <= bytes.length; ) {
    const tag = `x${hex(bytes.readUInt16LE(at))}${hex(bytes.readUInt16LE(at + 2))}`;
    const length = bytes.readUInt32LE(at + 8);
    data.elements[tag] = { tag, vr: bytes.toString('latin1', at + 4, at + 6), length, dataOffset: at + 12 };
    if (tag >= PIXEL_DATA) break;
    at += 12 + length;
  }
  return data;
}

function hex(number: number): string {
  return number.toString(16).padStart(4, '0');
}

/** Some writers state an explicit syntax, mostly a compressed one, and leave the value representations out. */
function isExplicit(bytes: Uint8Array, at: number): boolean {
  return (
    at + 6 > bytes.length || /^[A-Z]{2}$/.test(Buffer.from(bytes.subarray(at + 4, at + 6)).toString('latin1'))
  );
}

/** Old archives hold data sets without the file's header, in little-endian order, implicit or explicit (PS3.5 10.1). */
function withPreamble(bytes: Uint8Array, refuse: Refuse): Uint8Array {
  const start = Buffer.from(bytes.subarray(0, 8));
  if (start.length < 8 || start.readUInt16LE(0) !== IDENTIFYING_GROUP) {
    throw refuse('preamble', 'DICM at byte 128', `${bytes.length} other bytes`);
  }
  const uid = isExplicit(start, 0) ? '1.2.840.10008.1.2.1\0' : `${IMPLICIT}\0`;
  const header = Buffer.alloc(140 + uid.length);
  header.write('DICM', 128, 'latin1');
  header.writeUInt16LE(2, 132);
  header.writeUInt16LE(0x10, 134);
  header.write('UI', 136, 'latin1');
  header.writeUInt16LE(uid.length, 138);
  header.write(uid, 140, 'latin1');
  return Buffer.concat([header, bytes]);
}

/**
 * The data set alone, inflated (PS3.5 A.5): dicom-parser reads what an inflater gives from its first byte on, and would
 * take a preamble for elements.
 */
function inflate(bytes: Uint8Array, position: number, refuse: Refuse): Uint8Array {
  try {
    return inflateRawSync(bytes.subarray(position), { maxOutputLength: MAX_IMAGE_BYTES });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const found = code === 'ERR_BUFFER_TOO_LARGE' ? `more than ${MAX_IMAGE_BYTES} bytes` : `damage (${code})`;
    throw refuse('deflated data set', 'a whole deflate stream', found, cause);
  }
}

/** One number of a decimal string; undefined where there is none. */
export function decimal(data: DataSet, tag: string, index = 0): number | undefined {
  const text = data.string(tag)?.split('\\')[index]?.trim();
  return text ? Number(text) : undefined;
}

/** All numbers of a decimal string, or undefined where their count is another or one is none. */
export function decimals(data: DataSet, tag: string, count: number): number[] | undefined {
  const numbers = data.string(tag)?.split('\\').map(Number);
  return numbers?.length === count && numbers.every(Number.isFinite) ? numbers : undefined;
}

/** The data sets of a sequence's items. */
export function items(data: DataSet | undefined, tag: string): DataSet[] {
  return data?.elements[tag]?.items?.flatMap(({ dataSet }) => dataSet ?? []) ?? [];
}
