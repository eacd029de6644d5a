import { cleanDescription, wordsOf } from '../clean-text.js';
import { capAge, checkZone, shiftTemporal } from '../dates.js';
import { remapUid } from '../keyed.js';
import type { Attribute } from '../table/attribute-table.js';
import type { Cleaning } from './cleaning.js';
import { bytesOf, type DataSet, type Element, tagOf, textOf } from './read-data-set.js';

const TEXT_VRS = new Set(['LO', 'SH', 'LT', 'ST', 'UT', 'UC', 'CS', 'AE', 'PN', 'UR', 'AS', 'DS', 'IS']);
const NUMBER_VRS = new Set(['US', 'SS', 'UL', 'SL', 'FL', 'FD', 'SV', 'UV', 'AT']);
const TEMPORAL_VRS = new Set(['DA', 'DT', 'TM']);
/** Groups in which bulk binary values are pixels, look-up tables, meshes and spectra. */
const BULK_GROUPS = new Set(['0028', '5600', '7FE0', '0066']);
const ICC_PROFILE = '00282000';
/** Chosen from a list at some consoles and typed at others. */
const BODY_PART = '00180015';
const CODE_VALUE = '00080100';
const CODE_MEANING = '00080104';
/** Coding schemes of the standard (PS3.16 table 8-1) whose codes mean the same everywhere; others are a hospital's own. */
const CODING_SCHEMES = new Set(
  'DCM SCT SRT SNM3 UCUM LN RADLEX FMA NCIT UMLS I9 I9C I10 I10P ICDO3 C4 ACR MDC NDC RXNORM CD8 HL7 UBERON NEU'.split(
    ' ',
  ),
);
/** Identifiers of DICOM itself, which name classes and syntaxes. */
const STANDARD_UID = /^1\.2\.840\.10008\.[0-9.]+$/;
const VALID: Readonly<Record<string, RegExp>> = {
  CS: /^[A-Z0-9_ \\]*$/,
  DS: /^[-+0-9.eE \\]*$/,
  IS: /^[-+0-9 \\]*$/,
};

/** What action C makes of a value; undefined where there is no way to clean it. */
export function cleanValue(
  data: DataSet,
  element: Element,
  vr: string,
  { shiftDays, identifying }: Cleaning,
): string | undefined {
  const values = textOf(data, element).split('\\');
  if (TEMPORAL_VRS.has(vr)) {
    const shifted = values.map((value) =>
      value.trim() === '' ? '' : shiftTemporal(vr, value.trim(), shiftDays),
    );
    return shifted.includes(undefined) ? undefined : shifted.join('\\');
  }
  if (tagOf(element) === '00080201') return checkZone(values.join('\\').trim());
  if (!['LO', 'SH', 'LT', 'ST', 'UT', 'UC', 'CS'].includes(vr)) return undefined;
  const cleaned = values.map((value) => cleanDescription(value, identifying)).join('\\');
  return vr === 'SH' || vr === 'CS' ? cleaned.slice(0, 16).toUpperCase() : cleaned.slice(0, 64);
}

/** A value that is to stay, as far as it is what its representation says and names nobody. */
export function keepValue(
  data: DataSet,
  element: Element,
  { tag, vrs, action }: Attribute,
  vr: string,
  cleaning: Cleaning,
): { value: Uint8Array; changed: boolean } | undefined {
  const bytes = bytesOf(data, element);
  const kept = { value: bytes, changed: false };
  if (NUMBER_VRS.has(vr)) return vrs.includes(vr) ? kept : undefined;
  if (vr.startsWith('O')) {
    return BULK_GROUPS.has(tag.slice(0, 4)) && tag !== ICC_PROFILE && isBulk(vrs) ? kept : undefined;
  }
  const text = textOf(data, element);
  const changedTo = (value: string) => ({ value: Buffer.from(value, 'latin1'), changed: value !== text });
  if (vr === 'UI') {
    if (action !== undefined) return kept;
    return changedTo(remapUids(text, cleaning.profile.key));
  }
  if (TEMPORAL_VRS.has(vr)) {
    if (!cleaning.profile.options.includes('retain-longitudinal-modified-dates')) return undefined;
    const shifted = cleanValue(data, element, vr, cleaning);
    return shifted === undefined ? undefined : changedTo(shifted);
  }
  if (vr === 'AS') {
    const capped = text === '' ? '' : capAge(text.trim());
    return capped === undefined ? undefined : changedTo(capped);
  }
  if (tag === CODE_MEANING || tag === CODE_VALUE) {
    const scheme = textOf(data, data.elements.x00080102);
    if (!CODING_SCHEMES.has(scheme)) {
      return changedTo(tag === CODE_VALUE ? '' : cleanDescription(text, cleaning.identifying));
    }
  }
  if (tag === BODY_PART)
    return changedTo(cleanDescription(text, cleaning.identifying).toUpperCase().slice(0, 16));
  // Prose, names and addresses stay only where the table says so; elsewhere nothing but short terms does.
  const prose = ['LT', 'ST', 'UT', 'UC', 'UR', 'PN', 'AE'].includes(vr) && action === undefined;
  if (prose || !TEXT_VRS.has(vr)) return undefined;
  const valid = VALID[vr];
  if (valid && !valid.test(text)) return undefined;
  if (tag === '00080005') return kept;
  if (vr !== 'DS' && vr !== 'IS' && wordsOf(text).some((word) => cleaning.identifying.has(word)))
    return undefined;
  return kept;
}

export function isBulk(vrs: readonly string[]): boolean {
  return vrs.some((vr) => vr.startsWith('O'));
}

export function remapUids(text: string, key: string): string {
  return text
    .split('\\')
    .map((uid) => uid.replace(/[\0 ]+$/, '').trim())
    .map((uid) => (uid === '' || STANDARD_UID.test(uid) ? uid : remapUid(key, uid)))
    .join('\\');
}
