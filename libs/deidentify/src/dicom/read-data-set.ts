import { inflateRawSync } from 'node:zlib';
import { badInput, MedformerError } from '@medformer/schema';
import dicomParser, { type DataSet, type Element } from 'dicom-parser';
import { attributeOf } from '../table/attribute-table.js';

export type { DataSet, Element };

/** No deflated data set grows beyond it. */
const MAX_INFLATED_BYTES = 2 ** 30;
const MAX_DEPTH = 32;
/** The group with which a data set without a file's header begins. */
const IDENTIFYING_GROUP = 0x0008;

export interface DicomFile {
  transferSyntax: string;
  /** Without the elements of the file meta information. */
  data: DataSet;
}

/** True for the preamble and mark of a DICOM file (PS3.10 section 7.1). */
export function hasDicomMark(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(128, 132)).toString('latin1') === 'DICM';
}

/** @throws MedformerError INVALID_ARGUMENT for bytes that are no whole DICOM file */
export function readDicomFile(bytes: Uint8Array, file: string): DicomFile {
  const refuse = (found: string, cause?: unknown) =>
    badInput({ file, field: 'data set', expected: 'a whole DICOM file', found }, { cause });
  const whole = hasDicomMark(bytes) ? bytes : withHeader(bytes);
  if (!whole) throw refuse('other bytes');
  try {
    const transferSyntax = dicomParser.readPart10Header(whole).string('x00020010')?.trim() ?? '';
    const data = dicomParser.parseDicom(whole, {
      vrCallback: vrOf,
      inflater: inflate,
    } as dicomParser.ParseDicomOptions);
    for (const tag of Object.keys(data.elements)) if (tag.startsWith('x0002')) delete data.elements[tag];
    refuseTooDeep(data, 0, refuse);
    return { transferSyntax, data };
  } catch (cause) {
    if (cause instanceof MedformerError) throw cause;
    throw refuse(`one that cannot be parsed (${bytes.length} bytes)`, cause);
  }
}

/** The value's bytes, not copied. */
export function bytesOf(data: DataSet, element: Element): Uint8Array {
  return data.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
}

/** A text value, byte by byte as code points, without padding. */
export function textOf(data: DataSet, element: Element | undefined): string {
  if (!element || element.length === 0) return '';
  return Buffer.from(bytesOf(data, element))
    .toString('latin1')
    .replace(/[\0 ]+$/, '');
}

/** `x00100010` as `00100010`, with upper-case digits. */
export function tagOf({ tag }: Element): string {
  return tag.slice(1).toUpperCase();
}

/** Implicit syntaxes do not say what is a sequence; private ones are found out from their bytes. */
function vrOf(tag: string): string | undefined {
  return attributeOf(tag.slice(1).toUpperCase())?.vrs[0];
}

/**
 * The data set alone: dicom-parser reads what an inflater gives from its first byte on, and would take a preamble with
 * text for elements.
 */
function inflate(bytes: Uint8Array, position: number): Uint8Array {
  return inflateRawSync(bytes.subarray(position), { maxOutputLength: MAX_INFLATED_BYTES });
}

/** Old archives hold data sets without the file's header, in little-endian order, implicit or explicit (PS3.5 10.1). */
function withHeader(bytes: Uint8Array): Uint8Array | undefined {
  const start = Buffer.from(bytes.subarray(0, 8));
  if (start.length < 8 || start.readUInt16LE(0) !== IDENTIFYING_GROUP) return undefined;
  const explicit = /^[A-Z]{2}$/.test(start.toString('latin1', 4, 6));
  const uid = Buffer.from(explicit ? '1.2.840.10008.1.2.1\0' : '1.2.840.10008.1.2\0');
  const mark = Buffer.from('DICM\x02\0\x10\0UI', 'latin1');
  return Buffer.concat([Buffer.alloc(128), mark, Buffer.from([uid.length, 0]), uid, bytes]);
}

function refuseTooDeep(data: DataSet, depth: number, refuse: (found: string) => MedformerError): void {
  if (depth > MAX_DEPTH) throw refuse(`sequences nested more than ${MAX_DEPTH} deep`);
  for (const { items } of Object.values(data.elements)) {
    for (const item of items ?? []) if (item.dataSet) refuseTooDeep(item.dataSet, depth + 1, refuse);
  }
}
