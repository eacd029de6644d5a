import { ATTRIBUTES } from './attributes.js';
import { IOD_OF_CLASS, NESTED_TYPES, TYPES } from './types.js';

/**
 * What PS3.15 Table E.1-1 does with an attribute: remove (X), empty (Z), dummy value (D), replace the UID (U); with a
 * slash the first that the attribute's type allows. `U*` replaces the UIDs inside a sequence.
 */
export type TableAction = 'X' | 'Z' | 'D' | 'U' | 'X/Z' | 'X/D' | 'X/Z/D' | 'Z/D' | 'X/Z/U*';

/** Options of PS3.15 section E.3 that an installation may take. */
export const OPTION_NAMES = [
  'retain-uids',
  'retain-device-identity',
  'retain-institution-identity',
  'retain-patient-characteristics',
  'retain-longitudinal-modified-dates',
  'clean-descriptors',
] as const;
export type OptionName = (typeof OPTION_NAMES)[number];

/** A public attribute of PS3.6. */
export interface Attribute {
  /** Eight upper-case hex digits. */
  tag: string;
  /** Value representations that the dictionary allows. */
  vrs: readonly string[];
  keyword: string;
  /** Absent for an attribute that Table E.1-1 does not name, which the standard holds to be no one's identity. */
  action?: TableAction;
  /** What an option does instead: keep (K) or clean (C). */
  options: Partial<Record<OptionName, 'K' | 'C'>>;
}

const LETTERS: Readonly<Record<string, OptionName>> = {
  U: 'retain-uids',
  D: 'retain-device-identity',
  I: 'retain-institution-identity',
  P: 'retain-patient-characteristics',
  L: 'retain-longitudinal-modified-dates',
  C: 'clean-descriptors',
};
const LINE = /^(\S{8}) (\S*) (\S+)(?: (\S+))?(?: (\S+))?$/;

const BY_TAG: ReadonlyMap<string, Attribute> = new Map(
  ATTRIBUTES.split('\n').map((line) => {
    const [, tag = '', vrs = '', keyword = '', action, options = ''] = LINE.exec(line) ?? [];
    return [
      tag,
      {
        tag,
        vrs: vrs.split('/'),
        keyword,
        ...(action ? { action: action as TableAction } : {}),
        options: Object.fromEntries(
          (options.match(/../g) ?? []).map(([letter, does]) => [LETTERS[letter!]!, does as 'K' | 'C']),
        ),
      },
    ];
  }),
);

const IODS: Readonly<Record<string, number>> = JSON.parse(IOD_OF_CLASS);
const TOP: Readonly<Record<string, Partial<Record<'1' | '2', number[]>>>> = JSON.parse(TYPES);
const NESTED: Readonly<Record<string, '1' | '2'>> = JSON.parse(NESTED_TYPES);

/** The attribute of a tag of eight upper-case hex digits; undefined where PS3.6 has none. */
export function attributeOf(tag: string): Attribute | undefined {
  return BY_TAG.get(tag);
}

/** Every attribute that Table E.1-1 names, apart from private ones, overlays and curves. */
export function tableAttributes(): Attribute[] {
  return [...BY_TAG.values()].filter(({ action }) => action !== undefined);
}

/**
 * The type that an attribute has (1 or 1C, 2 or 2C, else 3): at the top level by the SOP class, where that is
 * unknown and inside sequences the strictest that it has anywhere, for which a dummy value is always conformant.
 */
export function typeOf(keyword: string, sopClass: string, nested: boolean): 1 | 2 | 3 {
  if (nested) return Number(NESTED[keyword] ?? '3') as 1 | 2 | 3;
  const types = TOP[keyword];
  if (!types) return 3;
  const iod = IODS[sopClass];
  const of = (type: '1' | '2') =>
    iod === undefined ? types[type] !== undefined : types[type]?.includes(iod);
  return of('1') ? 1 : of('2') ? 2 : 3;
}
