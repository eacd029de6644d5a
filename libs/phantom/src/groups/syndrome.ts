import { Rng } from '@medformer/schema';
import { type HeadTraits, TYPICAL_HEAD } from '../anatomy/head-traits.js';
import type { Lesion } from '../lesion.js';
import type { Vector } from '../shape.js';
import { RELAXATION, type Relaxation, Tissue, type TissueId } from '../tissue.js';

/** What the patients of a group have in common, and what each varies on top. */
export interface Syndrome {
  /** Logarithms of factors on the textbook head, in units of the trait's spread. */
  traits: Traits;
  /** Logarithms of factors on T1 and T2 of brain tissues, in units of `CONTRAST_SPREAD`. */
  contrast: Contrast[];
  lesion: SyndromeLesion;
}

/** A kind of lesion that part of the patients have, near a place. */
export interface SyndromeLesion {
  kind: Exclude<Lesion, 'none'>;
  /** Probability that a patient has it. */
  share: number;
  /** In the head's frame, at the height 0 of the level, mm. */
  place: Vector;
}

/** One patient's own variant of a syndrome. */
export interface Presentation {
  traits: HeadTraits;
  relaxation: readonly Relaxation[];
  lesion: Lesion;
}

type Traits = Record<keyof HeadTraits, number>;
interface Contrast {
  t1: number;
  t2: number;
}

/** Spread of a trait's factor, as the standard deviation of its logarithm, over groups and over patients alike. */
const TRAIT_SPREAD: Traits = {
  headWidth: 0.05,
  headLength: 0.05,
  scalp: 0.35,
  skull: 0.3,
  gap: 0.5,
  cortex: 0.25,
  folding: 0.3,
  fissure: 0.5,
  ventricles: 0.3,
  ventricleAsymmetry: 0.4,
  occipitalHorns: 0.3,
  thirdVentricle: 0.4,
  callosum: 0.25,
  thalami: 0.25,
  striata: 0.3,
  cerebellum: 0.12,
};
const TRAITS = Object.keys(TRAIT_SPREAD) as (keyof HeadTraits)[];
/** No factor is outside exp(-LIMIT spread) to exp(LIMIT spread). */
const LIMIT = 2.2;

const CONTRAST_TISSUES: readonly TissueId[] = [Tissue.GreyMatter, Tissue.WhiteMatter];
const CONTRAST_SPREAD = 0.12;

/**
 * A patient's own share of the spread: the higher, the more groups overlap. Set so that a small model, trained on eight
 * patients of each of twenty groups, is right far more often than chance and far less often than always.
 */
const PATIENT_SPREAD = 0.7;

/** The syndrome of a group: the same for all cohorts of the seed, however many groups they have. */
export function drawSyndrome(seed: number, group: number): Syndrome {
  const rng = Rng.of(seed, 'phantom syndrome', group);
  const angle = rng.uniform(0, 2 * Math.PI);
  const radius = 60 * Math.sqrt(rng.uniform(0.1, 1));
  return {
    traits: drawTraits(rng, 1),
    contrast: drawContrast(rng, 1),
    lesion: {
      kind: rng.choice(['solid', 'ring', 'diffuse'] as const),
      share: rng.uniform(0.1, 0.6),
      place: [radius * Math.cos(angle), 1.2 * radius * Math.sin(angle), 0],
    },
  };
}

export function drawPresentation({ traits, contrast, lesion }: Syndrome, rng: Rng): Presentation {
  const own = drawTraits(rng, PATIENT_SPREAD);
  const ownContrast = drawContrast(rng, PATIENT_SPREAD);
  return {
    traits: Object.fromEntries(
      TRAITS.map((name) => [name, TYPICAL_HEAD[name] * factor(traits[name] + own[name], TRAIT_SPREAD[name])]),
    ) as unknown as HeadTraits,
    relaxation: RELAXATION.map((typical, tissue) => {
      const at = CONTRAST_TISSUES.indexOf(tissue as TissueId);
      if (at < 0) return typical;
      const of = (time: keyof Contrast) =>
        typical[time] * factor(contrast[at]![time] + ownContrast[at]![time], CONTRAST_SPREAD);
      return { ...typical, t1: of('t1'), t2: of('t2') };
    }),
    lesion: rng.chance(lesion.share) ? lesion.kind : 'none',
  };
}

function drawTraits(rng: Rng, spread: number): Traits {
  return Object.fromEntries(TRAITS.map((name) => [name, rng.normal(0, spread)])) as Traits;
}

function drawContrast(rng: Rng, spread: number): Contrast[] {
  return CONTRAST_TISSUES.map(() => ({ t1: rng.normal(0, spread), t2: rng.normal(0, spread) }));
}

function factor(logarithm: number, spread: number): number {
  return Math.exp(spread * Math.min(LIMIT, Math.max(-LIMIT, logarithm)));
}
