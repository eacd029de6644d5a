import { MedformerError } from '@medformer/schema';

/** A real scan and whose it is. */
export interface RealScan {
  subject: string;
  /** Of one grid for all. */
  values: Float32Array;
}

export interface NearestScan {
  /** Index among the real scans. */
  scan: number;
  distance: number;
}

export interface Memorisation {
  /** Share of the fusions that are nearer to a real scan than `threshold`: copies. */
  rate: number;
  threshold: number;
  /** Of each fusion. */
  nearest: NearestScan[];
  /** Of each real scan the distance of its nearest scan of another patient, ascending. */
  between: number[];
}

/**
 * Looks for fusions that are copies: nearer to some real scan than different patients' scans come to each other.
 *
 * Distance is 1 - r with r the correlation of the values (normalised cross-correlation), 0 for a copy even with other
 * brightness or contrast, 1 for unrelated images. The threshold is the `quantile` (lower, no interpolation) of the
 * distances between each real scan and the nearest one of another patient, so that about that share of real patients would be called copies
 * of each other.
 *
 * @throws MedformerError INVALID_ARGUMENT for fewer than two patients or images of several sizes
 */
export function memorisation(
  fusions: readonly Float32Array[],
  reals: readonly RealScan[],
  quantile = 0.01,
): Memorisation {
  const size = reals[0]?.values.length;
  const sizes = new Set([...fusions, ...reals.map(({ values }) => values)].map(({ length }) => length));
  if (sizes.size > 1)
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `memorisation: values: expected ${size} for all images, found ${[...sizes].sort((a, b) => a - b).join(', ')}`,
    );
  const patients = new Set(reals.map(({ subject }) => subject)).size;
  if (patients < 2)
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `memorisation: patients: expected at least 2, found ${patients}`,
    );
  const scans = reals.map(({ values }) => standardised(values));
  const between = reals
    .map(
      ({ subject }, own) =>
        nearestOf(scans[own]!, scans, (scan) => reals[scan]!.subject !== subject).distance,
    )
    .sort((a, b) => a - b);
  const threshold = between[Math.floor(quantile * (between.length - 1))]!;
  const nearest = fusions.map((values) => nearestOf(standardised(values), scans, () => true));
  const copies = nearest.filter(({ distance }) => distance < threshold).length;
  return { rate: fusions.length === 0 ? 0 : copies / fusions.length, threshold, nearest, between };
}

function nearestOf(
  values: Float32Array,
  scans: readonly Float32Array[],
  counts: (scan: number) => boolean,
): NearestScan {
  let best: NearestScan = { scan: -1, distance: Number.POSITIVE_INFINITY };
  scans.forEach((other, scan) => {
    if (!counts(scan)) return;
    let product = 0;
    for (let at = 0; at < values.length; at += 1) product += values[at]! * other[at]!;
    if (1 - product < best.distance) best = { scan, distance: 1 - product };
  });
  return best;
}

/** Of mean 0 and length 1; all zeros for an image of one value. */
function standardised(values: Float32Array): Float32Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const length = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0));
  return values.map((value) => (length > 0 ? (value - mean) / length : 0));
}
