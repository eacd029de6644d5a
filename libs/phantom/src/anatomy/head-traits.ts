/** What sets one head apart from the textbook beside chance: factors on lengths, 1 where nothing is unusual. */
export interface HeadTraits {
  headWidth: number;
  headLength: number;
  scalp: number;
  skull: number;
  /** Width of the fluid between skull and brain. */
  gap: number;
  cortex: number;
  /** Depth of the folds. */
  folding: number;
  fissure: number;
  ventricles: number;
  /** Of the ventricle on the right over that on the left. */
  ventricleAsymmetry: number;
  occipitalHorns: number;
  thirdVentricle: number;
  callosum: number;
  thalami: number;
  striata: number;
  cerebellum: number;
}

/** Of the textbook itself. */
export const TYPICAL_HEAD: Readonly<HeadTraits> = {
  headWidth: 1,
  headLength: 1,
  scalp: 1,
  skull: 1,
  gap: 1,
  cortex: 1,
  folding: 1,
  fissure: 1,
  ventricles: 1,
  ventricleAsymmetry: 1,
  occipitalHorns: 1,
  thirdVentricle: 1,
  callosum: 1,
  thalami: 1,
  striata: 1,
  cerebellum: 1,
};
