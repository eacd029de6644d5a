import { isImagingWord, wordsOf } from '../clean-text.js';
import { pseudonym } from '../keyed.js';
import { type Action, actionFor } from '../profile.js';
import { type Attribute, attributeOf } from '../table/attribute-table.js';
import { cleanValue, isBulk, keepValue, remapUids } from './clean-value.js';
import type { Cleaning } from './cleaning.js';
import { dummyValue } from './dummy-value.js';
import { encodeElements, encodeItems, type OutputElement } from './encoding.js';
import { type DataSet, type Element, tagOf, textOf } from './read-data-set.js';

const PATIENT_NAME = '00100010';
const PATIENT_ID = '00100020';

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
      return { action, output: output(remapUids(textOf(data, element), profile.key)) };
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

/** As the file says, unless the dictionary knows another: what contradicts it is handled as the dictionary's. */
function vrOf({ vr, items }: Element, attribute: Attribute | undefined): string {
  const known = attribute?.vrs ?? [];
  if (items && known.includes('SQ')) return 'SQ';
  if (vr !== undefined && (known.includes(vr) || (vr.startsWith('O') && isBulk(known)))) return vr;
  return known[0] || 'UN';
}
