import { BURNED_IN_ANNOTATION, burnedInText } from '@medformer/deidentify';
import type { DataSet } from 'dicom-parser';
import type { Refuse } from './data-set.js';

/** Modality (PS3.3 C.7.3.1.1.1) by the project's names. */
const MODALITIES: Readonly<Record<string, string>> = {
  CT: 'ct',
  MR: 'mri',
  PT: 'pet',
  NM: 'nuclear-medicine',
  CR: 'xray',
  DX: 'xray',
  RG: 'xray',
  IO: 'xray',
  PX: 'xray',
  MG: 'mammography',
  XA: 'angiography',
  RF: 'fluoroscopy',
  US: 'ultrasound',
  IVUS: 'ultrasound',
  OP: 'fundus',
  OPT: 'oct',
  ES: 'endoscopy',
  XC: 'photograph',
  GM: 'microscopy',
  SM: 'microscopy',
  OT: 'other',
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

/** @throws MedformerError INVALID_ARGUMENT for a modality that shows no images of patients, as SEG or RTDOSE. */
export function modalityOf(data: DataSet, refuse: Refuse): string {
  const found = data.string('x00080060')?.trim() || 'nothing';
  const modality = MODALITIES[found];
  if (modality) return modality;
  throw refuse('(0008,0060) Modality', Object.keys(MODALITIES).join(', '), found.slice(0, 16));
}

export function bodyPartOf(data: DataSet): string | undefined {
  return BODY_PARTS[data.string('x00180015')?.trim().toUpperCase() ?? ''];
}

/**
 * The de-identification's rule, for files that did not go through it.
 * @throws MedformerError INVALID_ARGUMENT where text in the pixels is stated, or usual and not denied.
 */
export function refuseBurnedInText(data: DataSet, refuse: Refuse): void {
  const text = (tag: string) => data.string(tag)?.trim() ?? '';
  const found = burnedInText({
    burnedInAnnotation: text('x00280301'),
    modality: text('x00080060'),
    sopClass: text('x00080016'),
    imageType: text('x00080008'),
    converted: data.elements.x00080064 !== undefined,
  });
  if (found === 'denied' || found === 'unstated') return;
  const why = found === 'stated' ? 'YES' : 'nothing, in an image of a kind that often shows text';
  throw refuse(BURNED_IN_ANNOTATION, 'NO: text in the pixels can name the patient', why);
}
