import type { ViewPolicy } from '@medformer/schema';

/**
 * What all methods draw from, supervised training too, so that none wins by its views. Crops stay large: in a medical
 * image the anatomy is the whole field, and a crop of a third of it is another region. With [0.35, 1], strong noise and
 * inversion, kNN on 10 labels a class stood where it now stands after a third of the steps.
 */
const BASE: ViewPolicy = {
  cropScale: [0.6, 1],
  cropAspect: [0.75, 4 / 3],
  rotation: [-20, 20],
  flip: [0.5, 0.5],
  contrast: [0.5, 1.6],
  brightness: [-0.2, 0.2],
  gamma: [0.6, 1.7],
  invert: 0,
  curve: 0,
  biasField: [0, 0.35],
  blur: 0.1,
  blurSigma: [0.3, 1],
  noise: [0, 0.04],
};

/**
 * Upright and whole: where a tile belongs is told by the body's own order, head above foot and left beside right, which
 * mirroring and strong turning take away. Grey values vary as in every other method.
 */
const UPRIGHT: ViewPolicy = { ...BASE, rotation: [-10, 10], flip: [0, 0] };

/** Crop, turn and mirror, as in He et al. 2022, section 4: masking does the rest, and noise cannot be predicted. */
const PLAIN: ViewPolicy = {
  ...BASE,
  contrast: [1, 1],
  brightness: [0, 0],
  gamma: [1, 1],
  biasField: [0, 0],
  blur: 0,
  noise: [0, 0],
};

/** Little more than the image itself: what a teacher is asked about. */
const WEAK: ViewPolicy = {
  ...PLAIN,
  cropScale: [0.8, 1],
  rotation: [-5, 5],
  flip: [0, 0],
};

/** One policy per view; Barlow Twins draws its two unequally, as in its paper. */
export const VIEW_POLICIES = {
  simclr: [BASE, BASE],
  'barlow-twins': [
    { ...BASE, blur: 0.2 },
    { ...BASE, blur: 0 },
  ],
  jigsaw: [UPRIGHT],
  mae: [PLAIN],
  'image-gpt': [PLAIN],
  /** The student's view, then its teacher's. */
  consistency: [BASE, WEAK],
  supervised: [BASE],
  'multi-task': [BASE],
} as const satisfies Record<string, readonly ViewPolicy[]>;
