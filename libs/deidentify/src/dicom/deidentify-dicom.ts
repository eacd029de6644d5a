import { deflateRawSync } from 'node:zlib';
import { badInput, type DeidentificationOutcome } from '@medformer/schema';
import { opaqueName, pseudonym, remapUid, shiftDaysOf } from '../keyed.js';
import { CODES, PROFILE, type Profile } from '../profile.js';
import { TABLE_EDITION } from '../table/attributes.js';
import { Tally } from '../tally.js';
import { blankPixels } from './blank-pixels.js';
import { cleanDataSet, identifyingWords } from './clean-data-set.js';
import type { Cleaning } from './cleaning.js';
import { type Encoding, encodeElements, encodeItems, encodingOf, type OutputElement } from './encoding.js';
import { inspectPixels } from './inspect-pixels.js';
import { refuseUncleanable } from './objects.js';
import { type DataSet, readDicomFile, textOf } from './read-data-set.js';

/** Names this software in files that it writes (PS3.10 section 7.1); a UUID drawn once. */
const IMPLEMENTATION_CLASS_UID = '2.25.211938174508203915843279640254381765513';
const IMPLEMENTATION_VERSION = 'MEDFORMER_DEID_1';
const EXPLICIT: Encoding = { explicit: true, littleEndian: true, deflated: false };

export interface CleanDicom {
  bytes: Buffer;
  /** `<pseudonym>/<study>/<series>/<instance>.dcm` under keyed names. */
  path: string;
  outcome: DeidentificationOutcome;
}

/**
 * A DICOM file without identities: PS3.15 Annex E, basic profile with the profile's options, over the whole data set and
 * the file meta information; pixels byte for byte as they came, unless a rule blanks parts of them. The transfer syntax
 * stays.
 *
 * @throws MedformerError INVALID_ARGUMENT for bytes that are no DICOM file, objects that cannot be cleaned by attributes
 * (reports, documents, presentation states, waveforms), and pixels that show or may show text.
 */
export function deidentifyDicom(bytes: Uint8Array, profile: Profile, file: string): CleanDicom {
  const { data, transferSyntax } = readDicomFile(bytes, file);
  const uid = (tag: string) => textOf(data, data.elements[tag]).trim();
  const sopClass = uid('x00080016');
  refuseUncleanable(sopClass, file);
  const { blank, notes } = inspectPixels(data, sopClass, profile, file);
  refuseHiddenOverlays(data, file);
  const patient = uid('x00100020');
  const tally = new Tally();
  const cleaning: Cleaning = {
    profile,
    sopClass,
    encoding: encodingOf(transferSyntax),
    // Without a patient's identifier the study is what hangs together.
    shiftDays: shiftDaysOf(profile.key, patient || uid('x0020000d') || uid('x00080018')),
    identifying: identifyingWords(data),
    tally,
    nested: false,
    dummy: false,
  };
  const cleaned = cleanDataSet(data, cleaning);
  if (blank.length > 0) replaceElements(cleaned, blanked(data, blank, file));
  const codes = codesOf(profile, blank.length > 0);
  replaceElements(cleaned, statements(profile, codes, cleaning.encoding));
  const retained = profile.options.includes('retain-uids');
  const named = (tag: string) => (retained ? uid(tag) : remapUid(profile.key, uid(tag)));
  return {
    bytes: assemble(cleaned, cleaning.encoding, {
      sopClass,
      instance: named('x00080018'),
      transferSyntax,
    }),
    path: pathOf(data, patient, profile),
    outcome: {
      format: 'dicom',
      actions: tally.actions(),
      codes: codes.map(([code]) => code),
      notes,
    },
  };
}

/** Old overlays stand in spare bits of the pixels, which are not touched here. */
function refuseHiddenOverlays(data: DataSet, file: string): void {
  const hidden = Object.keys(data.elements).find(
    (tag) => /^x60..0102$/.test(tag) && data.elements[`${tag.slice(0, 5)}3000`] === undefined,
  );
  if (!hidden || !data.elements.x7fe00010) return;
  throw badInput({
    file,
    field: `(${hidden.slice(1, 5).toUpperCase()},0102) OverlayBitPosition`,
    expected: 'overlays apart from the pixels',
    found: 'one in spare bits of the pixels, which would stay in them',
  });
}

function blanked(data: DataSet, blank: Parameters<typeof blankPixels>[1], file: string): OutputElement[] {
  const vr = data.elements.x7fe00010?.vr ?? 'OW';
  return [
    { tag: '7FE00010', vr, value: blankPixels(data, blank, file) },
    { tag: '00280301', vr: 'CS', value: Buffer.from('NO') },
  ];
}

function codesOf(profile: Profile, pixelsBlanked: boolean): (readonly [string, string])[] {
  const options = profile.options.map((name) => CODES[name]);
  return [CODES.basic, ...(pixelsBlanked ? [CODES['clean-pixel-data']] : []), ...options];
}

/** What PS3.15 section E.1.1 has a de-identifier write into the data set. */
function statements(
  profile: Profile,
  codes: (readonly [string, string])[],
  encoding: Encoding,
): OutputElement[] {
  const element = (tag: string, vr: string, value: string): OutputElement => ({
    tag,
    vr,
    value: Buffer.from(value),
  });
  const items = codes.map(([code, meaning]) =>
    encodeElements(
      [element('00080100', 'SH', code), element('00080102', 'SH', 'DCM'), element('00080104', 'LO', meaning)],
      encoding,
    ),
  );
  const dates = profile.options.includes('retain-longitudinal-modified-dates') ? 'MODIFIED' : 'REMOVED';
  return [
    element('00120062', 'CS', 'YES'),
    element('00120063', 'LO', `Medformer ${PROFILE}, PS3.15 ${TABLE_EDITION}`),
    { tag: '00120064', vr: 'SQ', value: encodeItems(items, encoding) },
    element('00280303', 'CS', dates),
  ];
}

function replaceElements(elements: OutputElement[], replacing: readonly OutputElement[]): void {
  for (const element of replacing) {
    const index = elements.findIndex(({ tag }) => tag === element.tag);
    if (index < 0) elements.push(element);
    else elements[index] = element;
  }
}

/** A file of an empty preamble, its own meta information (PS3.10 section 7.1) and the data set. */
function assemble(
  elements: readonly OutputElement[],
  encoding: Encoding,
  meta: { sopClass: string; instance: string; transferSyntax: string },
): Buffer {
  const text = (tag: string, vr: string, value: string) => ({ tag, vr, value: Buffer.from(value, 'latin1') });
  const fields = encodeElements(
    [
      { tag: '00020001', vr: 'OB', value: Buffer.from([0, 1]) },
      text('00020002', 'UI', meta.sopClass),
      text('00020003', 'UI', meta.instance),
      text('00020010', 'UI', meta.transferSyntax),
      text('00020012', 'UI', IMPLEMENTATION_CLASS_UID),
      text('00020013', 'SH', IMPLEMENTATION_VERSION),
    ],
    EXPLICIT,
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(fields.reduce((sum, chunk) => sum + chunk.length, 0));
  const group = encodeElements([{ tag: '00020000', vr: 'UL', value: length }], EXPLICIT);
  const body = encodeElements(elements, encoding);
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    ...group,
    ...fields,
    ...(encoding.deflated ? [evenLength(deflateRawSync(Buffer.concat(body)))] : body),
  ]);
}

function evenLength(bytes: Buffer): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
}

function pathOf(data: DataSet, patient: string, { key }: Profile): string {
  const level = (tag: string) => opaqueName(key, textOf(data, data.elements[tag]).trim());
  const subject = patient === '' ? 'unidentified' : pseudonym(key, patient);
  return `${subject}/${level('x0020000d')}/${level('x0020000e')}/${level('x00080018')}.dcm`;
}
