import { z } from 'zod';

const Range = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low <= high, { error: 'expected [low, high]' });
const Probability = z.number().min(0).max(1);

/** How one view of an image is drawn. Intensities are in [0, 1]; lengths are shares of the image's edge. */
export const ViewPolicy = z.object({
  /** Share of the image's area (volume) that the crop covers. */
  cropScale: Range,
  /** Ratio of the crop's edges, drawn log-uniformly per axis pair. */
  cropAspect: Range,
  /** Rotation in the image plane, degrees. */
  rotation: Range,
  /** Probability of mirroring, each in-plane axis by itself: [vertical, horizontal]. */
  flip: z.tuple([Probability, Probability]),
  /** Contrast about the view's mean, offset and gamma. */
  contrast: Range,
  brightness: Range,
  gamma: Range,
  /** Probability that intensities are inverted: tissue that is bright in one sequence is dark in another. */
  invert: Probability,
  /**
   * Probability of a random intensity curve, not necessarily monotone (Models Genesis, Zhou et al. 2019, section 2.1):
   * what stays alike under it is the anatomy, which every modality shows with other grey values.
   */
  curve: Probability,
  /** Smooth multiplicative field, peak deviation: receiver bias, anode heel, attenuation. */
  biasField: Range,
  blur: Probability,
  /** Standard deviation of the blur in pixels. */
  blurSigma: Range,
  /** Standard deviation of additive Gaussian noise. */
  noise: Range,
});
export type ViewPolicy = z.infer<typeof ViewPolicy>;

const STRONG: ViewPolicy = {
  cropScale: [0.35, 1],
  cropAspect: [0.75, 4 / 3],
  rotation: [-20, 20],
  flip: [0.5, 0.5],
  contrast: [0.5, 1.6],
  brightness: [-0.2, 0.2],
  gamma: [0.6, 1.7],
  invert: 0.2,
  curve: 0.5,
  biasField: [0, 0.35],
  blur: 0.3,
  blurSigma: [0.3, 1],
  noise: [0, 0.08],
};

/** Two policies per self-supervised method (Barlow Twins draws its views unequally), one for supervised training. */
export const VIEW_POLICIES = {
  simclr: [STRONG, STRONG],
  'barlow-twins': [
    { ...STRONG, blur: 0.7 },
    { ...STRONG, blur: 0.1, invert: 0.3 },
  ],
  supervised: [{ ...STRONG, cropScale: [0.6, 1], invert: 0, curve: 0, blur: 0.1, noise: [0, 0.04] }],
} as const satisfies Record<string, readonly ViewPolicy[]>;
