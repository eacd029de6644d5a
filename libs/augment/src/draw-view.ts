import type { Rng, ViewPolicy } from '@medformer/schema';

const CURVE_POINTS = 5;

/** Everything random about one view; applying it again to the same image gives the same bytes. */
export interface ViewParameters {
  /** Crop centre and half edges per spatial axis, in the image's own coordinates [-1, 1]. */
  centre: number[];
  halfEdge: number[];
  /** In-plane rotation, radians. */
  rotation: number;
  /** Mirrored axes: [vertical, horizontal]. */
  flip: [boolean, boolean];
  contrast: number;
  brightness: number;
  gamma: number;
  invert: boolean;
  /** Values of the intensity curve at evenly spaced intensities from 0 to 1, linear in between; empty: none. */
  curve: number[];
  /** Linear and quadratic coefficients of the log bias field per spatial axis. */
  bias: [number, number][];
  /** 0: none. */
  blurSigma: number;
  noise: number;
  /** Seed of the noise field. */
  noiseSeed: number;
}

/** Draws one view's parameters for an image with this many spatial axes (2 or 3). */
export function drawView(policy: ViewPolicy, axes: number, rng: Rng): ViewParameters {
  const share = rng.uniform(...policy.cropScale) ** (1 / axes);
  const stretch = Array.from({ length: axes }, () => Math.exp(rng.uniform(...logs(policy.cropAspect)) / 2));
  const evenOut = stretch.reduce((product, factor) => product * factor, 1) ** (1 / axes);
  const halfEdge = stretch.map((factor) => Math.min(1, (share * factor) / evenOut));
  const biasPeak = rng.uniform(...policy.biasField);
  return {
    halfEdge,
    centre: halfEdge.map((half) => rng.uniform(half - 1, 1 - half)),
    rotation: (rng.uniform(...policy.rotation) * Math.PI) / 180,
    flip: [rng.chance(policy.flip[0]), rng.chance(policy.flip[1])],
    contrast: Math.exp(rng.uniform(...logs(policy.contrast))),
    brightness: rng.uniform(...policy.brightness),
    gamma: Math.exp(rng.uniform(...logs(policy.gamma))),
    invert: rng.chance(policy.invert),
    curve: rng.chance(policy.curve) ? Array.from({ length: CURVE_POINTS }, () => rng.uniform()) : [],
    bias: Array.from({ length: axes }, () => [
      rng.uniform(-biasPeak, biasPeak),
      rng.uniform(-biasPeak, biasPeak) / 2,
    ]),
    blurSigma: rng.chance(policy.blur) ? rng.uniform(...policy.blurSigma) : 0,
    noise: rng.uniform(...policy.noise),
    noiseSeed: rng.uint32(),
  };
}

const logs = ([low, high]: readonly [number, number]): [number, number] => [Math.log(low), Math.log(high)];
