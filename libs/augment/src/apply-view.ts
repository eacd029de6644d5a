import { blurPlanes } from './blur.js';
import type { ViewParameters } from './draw-view.js';
import { type ImagePixels, pixelScale } from './image-pixels.js';
import { curve, gamma, invert, light } from './intensities.js';
import { addNoise } from './noise.js';
import { resample } from './resample.js';

/**
 * Applies drawn parameters: one resampling (crop, rotation and mirroring composed, linear interpolation, edges
 * repeated), then bias field, contrast, gamma, inversion, intensity curve, blur, noise.
 * @param out float32 of the image's own shape, filled with the view in [0, 1]
 */
export function applyView(image: ImagePixels, view: ViewParameters, out: Float32Array): Float32Array {
  const mean = resample(image, pixelScale(image.pixels), view, out);
  light(out, image.shape, view, mean);
  if (view.gamma !== 1) gamma(out, view.gamma);
  if (view.invert) invert(out);
  if (view.curve.length > 0) curve(out, view.curve);
  if (view.blurSigma > 0) blurPlanes(out, image.shape, view.blurSigma);
  const rowLength = image.shape.at(-1)! * image.shape.at(-2)!;
  if (view.noise > 0) addNoise(out, rowLength, view.noise, view.noiseSeed);
  return out;
}
