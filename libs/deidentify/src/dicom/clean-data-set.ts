import { cleanDescription, isImagingWord, wordsOf } from '../clean-text.js';
import { capAge, checkZone, shiftTemporal } from '../dates.js';
import { pseudonym, remapUid } from '../keyed.js';
import { type Action, actionFor, type Profile } from '../profile.js';
import { type Attribute, attributeOf } from '../table/attribute-table.js';
import type { Tally } from '../tally.js';
import { dummyValue } from './dummy-value.js';
import { type Encoding, encodeElements, encodeItems, type OutputElement } from './encoding.js';
import { bytesOf, type DataSet, type Element, tagOf, textOf } from './read-data-set.js';

/** What holds for all of a file while its data set is cleaned. */
export interface Cleaning {
  profile: Profile;
  sopClass: string;
  encoding: Encoding;
  shiftDays: number;
  /** Words of values that identify, in lower case. */
  identifying: ReadonlySet<string>;
  tally: Tally;
  nested: boolean;
  /** Of a sequence that is to be a dummy: every text becomes one. */
  dummy: boolean;
}

const TEXT_VRS = new Set(['LO', 'SH', 'LT', 'ST', 'UT', 'UC', 'CS', 'AE', 'PN', 'UR', 'AS', 'DS', 'IS']);
const NUMBER_VRS = new Set(['US', 'SS', 'UL', 'SL', 'FL', 'FD', 'SV', 'UV', 'AT']);
const TEMPORAL_VRS = new Set(['DA', 'DT', 'TM']);
/** Groups in which bulk binary values are pixels, look-up tables, meshes and spectra. */
const BULK_GROUPS = new Set(['0028', '5600', '7FE0', '0066']);
const ICC_PROFILE = '00282000';
/** Chosen from a list at some consoles and typed at others. */
const BODY_PART = '00180015';
const PATIENT_NAME = '00100010';
const PATIENT_ID = '00100020';
/** Identifiers of DICOM itself, which name classes and syntaxes. */
const STANDARD_UID = /^1\.2\.840\.10008\.[0-9.]+$/;
const VALID: Readonly<Record<string, RegExp>> = {
  CS: /^[A-Z0-9_ \\]*$/,
  DS: /^[-+0-9.eE \\]*$/,
  IS: /^[-+0-9 \\]*$/,
};

/** The elements that stay of a data set, cleaned; what PS3.6 does not know does not stay. */
export function cleanDataSet(data: DataSet, cleaning: Cleaning): OutputElement[] {
  return Object.values(data.elements).flatMap((element) => {
    const tag = tagOf(element);
    const group = nameOfGroup(tag);
    const attribute = attributeOf(tag);
    if (group || !attribute) {
      cleaning.tally.add(group ?? 'unknown', 'X');
      return [];
    }
    if (tag.endsWith('0000')) return [];
    return cleanElement(data, element, attribute, cleaning);
  });
}

/** Words of every value that names someone or something by Table E.1-1, wherever it stands. */
export function identifyingWords(data: DataSet): Set<string> {
  const words = new Set<string>();
  for (const element of Object.values(data.elements)) {
    const attribute = attributeOf(tagOf(element));
    for (const item of element.items ?? []) {
      if (item.dataSet) for (const word of identifyingWords(item.dataSet)) words.add(word);
    }
    const vr = vrOf(element, attribute);
    const found = vr === 'PN' || isIdentity(attribute, vr) ? wordsOf(textOf(data, element)) : [];
    // Institutions are named after what they image; people's names count even where they are words of imaging.
    for (const word of found) if (vr === 'PN' || !isImagingWord(word)) words.add(word);
  }
  return words;
}

/** Names and numbers of people, places and devices; the table's descriptions and characteristics are none. */
function isIdentity(attribute: Attribute | undefined, vr: string): boolean {
  if (attribute?.action === undefined) return false;
  const { options } = attribute;
  const described = options['clean-descriptors'] ?? options['retain-patient-characteristics'];
  return described === undefined && ['LO', 'SH', 'AE', 'UC', 'UR'].includes(vr);
}

function nameOfGroup(tag: string): string | undefined {
  if (Number.parseInt(tag[3]!, 16) % 2 === 1) return 'private';
  if (tag.startsWith('60')) return 'overlay';
  return tag.startsWith('50') ? 'curve' : undefined;
}

function cleanElement(
  data: DataSet,
  element: Element,
  attribute: Attribute,
  cleaning: Cleaning,
): OutputElement[] {
  const { profile, sopClass, nested, tally, dummy } = cleaning;
  const vr = vrOf(element, attribute);
  const chosen =
    attribute.action !== undefined
      ? actionFor(attribute, profile.options, sopClass, nested)
      : { action: undefined, fallback: 'X' as const };
  const action = dummy && chosen.action !== 'X' ? 'D' : chosen.action;
  const done = apply(data, element, attribute, vr, action, chosen.fallback, cleaning);
  if (attribute.action !== undefined || done.action !== 'K') {
    tally.add(attribute.keyword, done.action === 'U*' ? 'U' : done.action);
  }
  return done.output ? [done.output] : [];
}

interface Done {
  action: Action;
  output?: OutputElement;
}

function apply(
  data: DataSet,
  element: Element,
  attribute: Attribute,
  vr: string,
  action: Action | undefined,
  fallback: Action,
  cleaning: Cleaning,
): Done {
  const { tag } = attribute;
  const { profile } = cleaning;
  const output = (value: Uint8Array | string): OutputElement => ({
    tag,
    vr,
    value: typeof value === 'string' ? Buffer.from(value, 'latin1') : value,
  });
  const again = (next: Action): Done => apply(data, element, attribute, vr, next, next, cleaning);

  if (tag === PATIENT_ID || tag === PATIENT_NAME) {
    const id = textOf(data, tag === PATIENT_ID ? element : data.elements.x00100020);
    return { action: 'D', output: output(id.trim() === '' ? '' : pseudonym(profile.key, id)) };
  }
  switch (action) {
    case 'X':
      return { action };
    case 'Z':
      return { action, output: output('') };
    case 'D':
      if (vr === 'SQ') return { action, output: sequence(element, tag, { ...cleaning, dummy: true }) };
      return { action, output: output(dummyValue(vr, data, element, profile.key)) };
    case 'U':
      if (vr !== 'UI') return again('X');
      return { action, output: output(remapAll(textOf(data, element), profile.key)) };
    case 'U*':
      return vr === 'SQ' ? { action, output: sequence(element, tag, cleaning) } : { action: 'X' };
    case 'C': {
      const cleaned = cleanValue(data, element, vr, cleaning);
      return cleaned === undefined ? again(fallback) : { action, output: output(cleaned) };
    }
    case 'K':
    case undefined: {
      if (vr === 'SQ') return { action: 'K', output: sequence(element, tag, cleaning) };
      const kept = keepValue(data, element, attribute, vr, cleaning);
      // A value that may not stay is emptied where an option would keep the attribute.
      if (kept === undefined) return action === 'K' ? { action: 'Z', output: output('') } : { action: 'X' };
      const { value, changed } = kept;
      return { action: changed ? 'C' : 'K', output: { ...output(value), ...fragments(element) } };
    }
  }
}

function fragments({ encapsulatedPixelData }: Element): { undefinedLength?: boolean } {
  return encapsulatedPixelData ? { undefinedLength: true } : {};
}

function sequence(element: Element, tag: string, cleaning: Cleaning): OutputElement {
  const items = (element.items ?? []).map(({ dataSet }) => {
    const cleaned = dataSet ? cleanDataSet(dataSet, { ...cleaning, nested: true }) : [];
    return encodeElements(cleaned, cleaning.encoding);
  });
  return { tag, vr: 'SQ', value: encodeItems(items, cleaning.encoding) };
}

/** What action C makes of a value; undefined where there is no way to clean it. */
function cleanValue(
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
function keepValue(
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
    return BULK_GROUPS.has(tag.slice(0, 4)) && tag !== ICC_PROFILE && bulk(vrs) ? kept : undefined;
  }
  const text = textOf(data, element);
  const changedTo = (value: string) => ({ value: Buffer.from(value, 'latin1'), changed: value !== text });
  if (vr === 'UI') {
    if (action !== undefined) return kept;
    return changedTo(remapAll(text, cleaning.profile.key));
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

function bulk(vrs: readonly string[]): boolean {
  return vrs.some((vr) => vr.startsWith('O'));
}

function remapAll(text: string, key: string): string {
  return text
    .split('\\')
    .map((uid) => uid.replace(/[\0 ]+$/, '').trim())
    .map((uid) => (uid === '' || STANDARD_UID.test(uid) ? uid : remapUid(key, uid)))
    .join('\\');
}

/** As the file says, unless the dictionary knows another: what contradicts it is handled as the dictionary's. */
function vrOf({ vr, items }: Element, attribute: Attribute | undefined): string {
  const known = attribute?.vrs ?? [];
  if (items && known.includes('SQ')) return 'SQ';
  if (vr !== undefined && (known.includes(vr) || (vr.startsWith('O') && bulk(known)))) return vr;
  return known[0] || 'UN';
}
