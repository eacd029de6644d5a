import { badInput, MedformerError } from '@medformer/schema';
import dicomParser, { type DataSet } from 'dicom-parser';
import { MAX_IMAGE_BYTES, type Voxels } from '../voxels.js';
import { OTHER_SYNTAXES, READABLE_SYNTAXES } from './transfer-syntaxes.js';

/** A DICOM image with the few attributes that may leave it. */
export interface DicomImage extends Voxels {
  modality: string;
  /** Absent when the file does not say, or says something unlisted. */
  bodyPart?: string;
}

type Refuse = (field: string, expected: string, found: string, cause?: unknown) => MedformerError;

const MODALITIES: Readonly<Record<string, string>> = {
  CT: 'ct',
  MR: 'mri',
  PT: 'pet',
  CR: 'xray',
  DX: 'xray',
};

/**
 * BodyPartExamined (PS3.16 annex L) by the project's names. Anything else is left out: the attribute is free to type
 * at some consoles, and what is not listed here cannot carry a name into the store.
 */
const BODY_PARTS: Readonly<Record<string, string>> = {
  ABDOMEN: 'abdomen',
  ANKLE: 'ankle',
  BRAIN: 'brain',
  BREAST: 'breast',
  CHEST: 'chest',
  CSPINE: 'cervical-spine',
  ELBOW: 'elbow',
  FOOT: 'foot',
  HAND: 'hand',
  HEAD: 'head',
  HEART: 'heart',
  HIP: 'hip',
  KNEE: 'knee',
  LEG: 'leg',
  LSPINE: 'lumbar-spine',
  NECK: 'neck',
  PELVIS: 'pelvis',
  SHOULDER: 'shoulder',
  SKULL: 'skull',
  SPINE: 'spine',
  TSPINE: 'thoracic-spine',
  WRIST: 'wrist',
};

/** True for the preamble and mark of a DICOM file (PS3.10 section 7.1). */
export function isDicom(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(128, 132)).toString('latin1') === 'DICM';
}

/**
 * What must be known of a file before the images are read: its modality, and PatientID, the attribute that tells
 * patients apart, which is to be hashed with a key and never stored; undefined when empty.
 */
export function readDicomIdentity(
  bytes: Uint8Array,
  file: string,
): { modality: string; patientId: string | undefined } {
  return reading(bytes, file, (refuse) => {
    const data = parse(bytes, refuse, 'x7fe00010');
    return { modality: modalityOf(data, refuse), patientId: data.string('x00100020')?.trim() || undefined };
  });
}

/**
 * Decodes a CT, MR, PET or plain X-ray image in an uncompressed little-endian transfer syntax: stored values of
 * BitsStored bits (masked, sign-extended), MONOCHROME1 inverted, then RescaleSlope and RescaleIntercept (PS3.3
 * C.7.6.3, C.11.1). Several frames become a volume.
 *
 * @returns `[rows, columns, 1]` or `[frames, rows, columns, 1]`; integers stay integers without a rescale.
 * @throws MedformerError INVALID_ARGUMENT naming the attribute, or the transfer syntax that is not read.
 */
export function decodeDicom(bytes: Uint8Array, file: string): DicomImage {
  return reading(bytes, file, (refuse) => {
    const data = parse(bytes, refuse);
    const modality = modalityOf(data, refuse);
    if (data.string('x00280301') === 'YES') {
      throw refuse('(0028,0301) BurnedInAnnotation', 'NO: text in the pixels can name the patient', 'YES');
    }
    if (data.elements.x52009229) {
      const found = 'an enhanced multi-frame object';
      throw refuse('(5200,9229) SharedFunctionalGroups', 'a classic image', found);
    }
    const bodyPart = BODY_PARTS[data.string('x00180015')?.trim().toUpperCase() ?? ''];
    return { ...readPixels(data, refuse), modality, ...(bodyPart ? { bodyPart } : {}) };
  });
}

/** dicom-parser throws strings and RangeErrors, also from its accessors, where lengths do not fit the bytes. */
function reading<Result>(bytes: Uint8Array, file: string, read: (refuse: Refuse) => Result): Result {
  const refuse: Refuse = (field, expected, found, cause) =>
    badInput({ file, field, expected, found }, { cause });
  try {
    return read(refuse);
  } catch (cause) {
    if (cause instanceof MedformerError) throw cause;
    throw refuse(
      'data set',
      'a whole DICOM file',
      `one that cannot be parsed (${bytes.length} bytes)`,
      cause,
    );
  }
}

function modalityOf(data: DataSet, refuse: Refuse): string {
  const found = data.string('x00080060') ?? 'nothing';
  const modality = MODALITIES[found];
  if (modality) return modality;
  throw refuse('(0008,0060) Modality', Object.keys(MODALITIES).join(', '), found.slice(0, 16));
}

function parse(bytes: Uint8Array, refuse: Refuse, untilTag?: string): DataSet {
  if (!isDicom(bytes)) throw refuse('preamble', 'DICM at byte 128', `${bytes.length} other bytes`);
  const syntax = dicomParser.readPart10Header(bytes).string('x00020010') ?? 'nothing';
  if (!READABLE_SYNTAXES[syntax]) {
    const name = OTHER_SYNTAXES[syntax];
    const readable = Object.values(READABLE_SYNTAXES).join(' or ');
    const found = name ? `${name} (${syntax})` : syntax.slice(0, 64);
    throw refuse('(0002,0010) TransferSyntaxUID', readable, found);
  }
  return dicomParser.parseDicom(bytes, untilTag === undefined ? undefined : { untilTag });
}

function readPixels(data: DataSet, refuse: Refuse): Voxels {
  const uint16 = (tag: string, name: string, allowed: (value: number) => boolean, expected: string) => {
    const value = data.uint16(tag);
    if (value === undefined || !allowed(value)) throw refuse(name, expected, String(value ?? 'nothing'));
    return value;
  };
  const positive = (value: number) => value > 0;
  const rows = uint16('x00280010', '(0028,0010) Rows', positive, 'a number from 1');
  const columns = uint16('x00280011', '(0028,0011) Columns', positive, 'a number from 1');
  const allocated = uint16('x00280100', '(0028,0100) BitsAllocated', (n) => n === 8 || n === 16, '8 or 16');
  const within = (n: number) => n >= 1 && n <= allocated;
  const stored = uint16('x00280101', '(0028,0101) BitsStored', within, `1 to ${allocated}`);
  const high = data.uint16('x00280102') ?? stored - 1;
  if (high + 1 < stored || high >= allocated) {
    throw refuse('(0028,0102) HighBit', `${stored - 1} to ${allocated - 1}`, String(high));
  }
  const signed = (data.uint16('x00280103') ?? 0) === 1;
  const samples = data.uint16('x00280002') ?? 1;
  const photometric = data.string('x00280004') ?? 'nothing';
  if (samples !== 1 || !/^MONOCHROME[12]$/.test(photometric)) {
    const found = `${photometric} with ${samples} samples a pixel`;
    throw refuse('(0028,0004) PhotometricInterpretation', 'MONOCHROME1 or MONOCHROME2', found);
  }
  const frames = Number(data.string('x00280008') ?? 1);
  if (!Number.isSafeInteger(frames) || frames < 1) {
    throw refuse('(0028,0008) NumberOfFrames', 'a number from 1', String(frames));
  }
  const count = frames * rows * columns;
  if (count * 4 > MAX_IMAGE_BYTES) {
    throw refuse(
      '(0028,0010) Rows',
      `at most ${MAX_IMAGE_BYTES} bytes of pixels`,
      `${frames} x ${rows} x ${columns}`,
    );
  }
  const element = data.elements.x7fe00010;
  const expectedBytes = (count * allocated) / 8;
  if (!element || element.length < expectedBytes) {
    const found = element ? `${element.length} bytes` : 'nothing';
    throw refuse('(7FE0,0010) PixelData', `${expectedBytes} bytes`, found);
  }
  const pixels = data.byteArray as Uint8Array;
  const view = new DataView(pixels.buffer, pixels.byteOffset + element.dataOffset, expectedBytes);
  const layout = { count, allocated, stored, high, signed, inverted: photometric === 'MONOCHROME1' };
  const values = rescale(storedValues(view, layout), data, refuse);
  const spacingMm = spacing(data, frames);
  const shape = frames > 1 ? [frames, rows, columns, 1] : [rows, columns, 1];
  return { shape, values, ...(spacingMm ? { spacingMm } : {}) };
}

interface PixelLayout {
  count: number;
  allocated: number;
  stored: number;
  high: number;
  signed: boolean;
  inverted: boolean;
}

function storedValues(
  view: DataView,
  { count, allocated, stored, high, signed, inverted }: PixelLayout,
): Uint8Array | Int16Array | Uint16Array {
  const values = signed
    ? new Int16Array(count)
    : allocated === 8
      ? new Uint8Array(count)
      : new Uint16Array(count);
  const below = high + 1 - stored;
  const mask = 2 ** stored - 1;
  const signBit = signed ? 2 ** (stored - 1) : 0;
  for (let index = 0; index < count; index += 1) {
    const word = allocated === 8 ? view.getUint8(index) : view.getUint16(index * 2, true);
    const bits = (word >>> below) & mask;
    const value = (bits ^ signBit) - signBit;
    // Signed values mirror about -1/2, unsigned ones about the middle of 0 to mask.
    values[index] = inverted ? (signed ? -1 : mask) - value : value;
  }
  return values;
}

function rescale<Values extends Uint8Array | Int16Array | Uint16Array>(
  values: Values,
  data: DataSet,
  refuse: Refuse,
): Values | Float32Array {
  const slope = decimal(data, 'x00281053') ?? 1;
  const intercept = decimal(data, 'x00281052') ?? 0;
  if (!Number.isFinite(slope) || !Number.isFinite(intercept)) {
    throw refuse('(0028,1053) RescaleSlope', 'finite slope and intercept', `${slope} and ${intercept}`);
  }
  if (slope === 1 && intercept === 0) return values;
  return Float32Array.from(values, (value) => value * slope + intercept);
}

function spacing(data: DataSet, frames: number): number[] | undefined {
  const inPlane = [decimal(data, 'x00280030', 0), decimal(data, 'x00280030', 1)];
  const between = decimal(data, 'x00180088') ?? decimal(data, 'x00180050');
  const all = frames > 1 ? [between, ...inPlane] : inPlane;
  return all.every((edge) => edge !== undefined && edge > 0 && Number.isFinite(edge))
    ? (all as number[])
    : undefined;
}

function decimal(data: DataSet, tag: string, index = 0): number | undefined {
  const text = data.string(tag)?.split('\\')[index]?.trim();
  return text ? Number(text) : undefined;
}
