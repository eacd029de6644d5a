import { abdomen } from './anatomy/abdomen.js';
import { chest } from './anatomy/chest.js';
import { head } from './anatomy/head.js';
import { knee, thigh } from './anatomy/leg.js';
import { pelvis } from './anatomy/pelvis.js';
import type { Variation } from './anatomy/variation.js';
import type { Shape } from './shape.js';

export type BodyPart = 'head' | 'chest' | 'abdomen' | 'pelvis' | 'leg';

/** A textbook body that patients vary, and the cube it is deformed in. */
export interface Body {
  bodyPart: BodyPart;
  build: (variation: Variation) => Shape[];
  /** Usual edge of the field of view, mm. */
  fieldOfViewMm: number;
}

/** One of the ten anatomical levels that the label `region` names. */
export interface Region {
  name: string;
  body: keyof typeof BODIES;
  /** Height of the level in the body's own frame, mm. */
  levelMm: number;
}

export const BODIES = {
  head: { bodyPart: 'head', build: head, fieldOfViewMm: 230 },
  chest: { bodyPart: 'chest', build: chest, fieldOfViewMm: 390 },
  abdomen: { bodyPart: 'abdomen', build: abdomen, fieldOfViewMm: 380 },
  pelvis: { bodyPart: 'pelvis', build: pelvis, fieldOfViewMm: 410 },
  thigh: { bodyPart: 'leg', build: thigh, fieldOfViewMm: 200 },
  knee: { bodyPart: 'leg', build: knee, fieldOfViewMm: 170 },
} as const satisfies Record<string, Body>;

export const REGIONS: readonly Region[] = [
  { name: 'cerebrum-high', body: 'head', levelMm: 50 },
  { name: 'ventricles', body: 'head', levelMm: 10 },
  { name: 'posterior-fossa', body: 'head', levelMm: -44 },
  { name: 'lung-apex', body: 'chest', levelMm: 66 },
  { name: 'heart', body: 'chest', levelMm: -62 },
  { name: 'liver', body: 'abdomen', levelMm: 52 },
  { name: 'kidneys', body: 'abdomen', levelMm: -44 },
  { name: 'pelvis', body: 'pelvis', levelMm: -24 },
  { name: 'thigh', body: 'thigh', levelMm: 0 },
  { name: 'knee', body: 'knee', levelMm: 14 },
];
