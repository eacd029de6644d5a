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
