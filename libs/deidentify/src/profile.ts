import { parseRecord } from '@medformer/schema';
import { z } from 'zod';
import { PixelRegionRule } from './dicom/pixel-region-rule.js';
import { type Attribute, OPTION_NAMES, type OptionName, typeOf } from './table/attribute-table.js';

/** Name and version of what this library does; changes with every change to what comes out. */
export const PROFILE = 'ps3.15-basic-v1';

export const DEFAULT_OPTIONS: readonly OptionName[] = [
  'retain-patient-characteristics',
  'retain-longitudinal-modified-dates',
  'clean-descriptors',
];

/** Codes of CID 7050 (PS3.16): which profile and options were applied. */
export const CODES: Readonly<Record<'basic' | 'clean-pixel-data' | OptionName, readonly [string, string]>> = {
  basic: ['113100', 'Basic Application Confidentiality Profile'],
  'clean-pixel-data': ['113101', 'Clean Pixel Data Option'],
  'clean-descriptors': ['113105', 'Clean Descriptors Option'],
  'retain-longitudinal-modified-dates': [
    '113107',
    'Retain Longitudinal Temporal Information Modified Dates Option',
  ],
  'retain-patient-characteristics': ['113108', 'Retain Patient Characteristics Option'],
  'retain-device-identity': ['113109', 'Retain Device Identity Option'],
  'retain-uids': ['113110', 'Retain UIDs Option'],
  'retain-institution-identity': ['113112', 'Retain Institution Identity Option'],
};

const Settings = z.object({
  /** Key of every hash: pseudonyms, UIDs, shifts of dates, names of files. Who has it can link data to patients. */
  key: z.string().min(16),
  options: z.array(z.enum(OPTION_NAMES)).default([...DEFAULT_OPTIONS]),
  /** Where text stands in the pixels of a device's images: these parts are blanked, and the images let through. */
  pixelRegions: z.array(PixelRegionRule).default([]),
  /** Let images of kinds that often show text through although nothing says that they show none. */
  acceptUnstatedPixels: z.boolean().default(false),
});

/** How data is de-identified, whole. */
export type Profile = z.output<typeof Settings>;

/** @throws MedformerError INVALID_ARGUMENT naming the setting */
export function profileOf(settings: z.input<typeof Settings>): Profile {
  const profile = parseRecord(Settings, settings, 'de-identification');
  return { ...profile, options: OPTION_NAMES.filter((name) => profile.options.includes(name)) };
}

/** What is done with one attribute of Table E.1-1: the table's actions with its alternatives decided. */
export type Action = 'X' | 'Z' | 'D' | 'U' | 'K' | 'C' | 'U*';

/**
 * The table's action under the options. Where one option cleans what another keeps, it is cleaned. `fallback` stands in
 * where a value cannot be cleaned.
 */
export function actionFor(
  attribute: Attribute,
  options: readonly OptionName[],
  sopClass: string,
  nested: boolean,
): { action: Action; fallback: Action } {
  const fallback = decide(attribute, sopClass, nested);
  const chosen = options.flatMap((name) => attribute.options[name] ?? []);
  return { action: chosen.includes('C') ? 'C' : chosen.includes('K') ? 'K' : fallback, fallback };
}

function decide({ action = 'X', keyword }: Attribute, sopClass: string, nested: boolean): Action {
  // References stay whole with every UID replaced, which is conformant in every IOD.
  if (action === 'X/Z/U*') return 'U*';
  const choices = action.split('/') as Action[];
  if (choices.length === 1) return choices[0]!;
  const type = typeOf(keyword, sopClass, nested);
  if (type === 1) return choices.includes('D') ? 'D' : 'Z';
  if (type === 2) return choices.includes('Z') ? 'Z' : 'D';
  return choices[0]!;
}
