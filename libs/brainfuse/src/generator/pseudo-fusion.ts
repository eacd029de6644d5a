import type { GeneratorSpec, MaskSpec, Rng } from '@medformer/schema';
import { type Affine, forEachVoxel, inVoxels, transform, type VoxelAffine } from '../align/affine.js';
import { Sampler } from '../align/sample-grid.js';
import { drawMask, type MaskDraw, maskWeights } from '../masks/mask.js';
import { boxBlur } from './box-blur.js';
import { type SeamMap, seamMap } from './seam-map.js';

/** Grey levels from black to white at which a source's grey values are moved; black stays. */
const LEVELS = 5;

/** Everything random about one training pair. */
export interface PseudoFusionDraw {
  mask: MaskDraw;
  /** One per source: where it has what the scan has, in voxels. */
  poses: Affine[];
  /** One per source: what it makes of the LEVELS grey levels. */
  greys: number[][];
}

/** A scan cut into regions that do not fit, and the same scan with fitting ones. */
export interface PseudoFusion {
  /** float32 [...spatial, channels] in [0, 1]: a raw fusion of the scan with itself, each source in its own pose and greys. */
  values: Float32Array;
  /** The same where poses and greys go over into each other: equal to `values` where the band is 0. */
  target: Float32Array;
  seam: SeamMap;
}

export function drawPseudoFusion(
  mask: MaskSpec,
  sources: number,
  spatial: readonly number[],
  { shift, turnDegrees, zoom, grey }: GeneratorSpec['differences'],
  rng: Rng,
): PseudoFusionDraw {
  const longest = Math.max(...spatial);
  return {
    mask: drawMask(mask, sources, spatial, rng),
    poses: Array.from({ length: sources }, () => ({
      matrix: drawTurn(spatial.length, (turnDegrees * Math.PI) / 180, Math.exp(zoom * rng.normal()), rng),
      offset: spatial.map(() => shift * longest * rng.normal()),
    })),
    greys: Array.from({ length: sources }, () =>
      Array.from(
        { length: LEVELS },
        (_, level) => level / (LEVELS - 1) + (level > 0 ? grey * rng.normal() : 0),
      ),
    ),
  };
}

/**
 * Applies a draw to a scan. Inside a region the pair is alike; towards a border the target's poses and greys change from
 * one region's to the next over `seam.reach` voxels to each side, so that every edge goes on across it. That is what an
 * anatomy between the sources looks like, and it needs no label: what to learn is in the pair.
 *
 * @param scan float32 [...spatial, channels] in [0, 1]
 */
export function pseudoFusion(
  scan: Float32Array,
  shape: readonly number[],
  { mask, poses, greys }: PseudoFusionDraw,
  seam: GeneratorSpec['seam'],
): PseudoFusion {
  const spatial = shape.slice(0, -1);
  const channels = shape.at(-1)!;
  const voxels = scan.length / channels;
  const samplers = planesOf(scan, channels).map((plane) => new Sampler(plane, spatial));
  const grid = { spatial, spacing: spatial.map(() => 1) };
  const moves = poses.map((pose) => inVoxels(pose, grid));
  const place = new Float64Array(spatial.length);
  const anchor = new Float32Array(voxels);
  forEachVoxel(spatial, 1, (voxel, at) => {
    transform(moves[0]!.matrix, moves[0]!.offset, at, place);
    anchor[voxel] = regrey(samplers[0]!.at(place), greys[0]!);
  });
  const weights = maskWeights(mask, poses.length, spatial, anchor);

  const values = new Float32Array(scan.length);
  /** Per axis how far the scan is moved, then the grey levels: [axes + LEVELS][voxels]. */
  const fields = Array.from({ length: spatial.length + LEVELS }, () => new Float64Array(voxels));
  forEachVoxel(spatial, 1, (voxel, at) => {
    moves.forEach(({ matrix, offset }, source) => {
      const weight = weights[source * voxels + voxel]!;
      if (weight === 0) return;
      transform(matrix, offset, at, place);
      samplers.forEach((sampler, channel) => {
        values[voxel * channels + channel]! += weight * regrey(sampler.at(place), greys[source]!);
      });
      place.forEach((to, axis) => {
        fields[axis]![voxel]! += weight * (to - at[axis]!);
      });
      for (let level = 0; level < LEVELS; level += 1)
        fields[spatial.length + level]![voxel]! += weight * greys[source]![level]!;
    });
  });

  const seams = seamMap(weights, spatial, seam);
  const aims = aimsOf(fields, mask.strategy, moves[0]!, spatial, seam.reach);
  const target = values.slice();
  const levels = new Array<number>(LEVELS).fill(0);
  forEachVoxel(spatial, 1, (voxel, at) => {
    const share = seams.band[voxel]!;
    if (share === 0) return;
    const between = (field: number) => (1 - share) * fields[field]![voxel]! + share * aims[field]![voxel]!;
    for (let axis = 0; axis < place.length; axis += 1) place[axis] = at[axis]! + between(axis);
    for (let level = 0; level < LEVELS; level += 1) levels[level] = between(spatial.length + level);
    samplers.forEach((sampler, channel) => {
      target[voxel * channels + channel] = regrey(sampler.at(place), levels);
    });
  });
  return { values, target, seam: seams };
}

function planesOf(scan: Float32Array, channels: number): Float32Array[] {
  if (channels === 1) return [scan];
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length: scan.length / channels }, (_, at) => scan[at * channels + channel]!),
  );
}

/**
 * What the fields go towards in the band. Where regions lie anyhow, their own tent-weighted mean over `reach` voxels to each
 * side. Where regions follow the anchor's tissues, their borders are its edges: there the anchor's pose, and each its own
 * greys, so that the edges stay.
 */
function aimsOf(
  fields: readonly Float64Array[],
  strategy: MaskDraw['strategy'],
  anchor: VoxelAffine,
  spatial: readonly number[],
  reach: number,
): Float64Array[] {
  if (strategy !== 'tissue') return fields.map((field) => smoothed(field, spatial, reach));
  const aims = fields.map((field) => field.slice());
  const place = new Float64Array(spatial.length);
  forEachVoxel(spatial, 1, (voxel, at) => {
    transform(anchor.matrix, anchor.offset, at, place);
    for (let axis = 0; axis < place.length; axis += 1) aims[axis]![voxel] = place[axis]! - at[axis]!;
  });
  return aims;
}

/** Two boxes make a tent. */
function smoothed(field: Float64Array, spatial: readonly number[], reach: number): Float64Array {
  const values = field.slice();
  const radius = Math.max(1, Math.round(reach / 2));
  boxBlur(values, spatial, radius);
  boxBlur(values, spatial, radius);
  return values;
}

/** A grey value between what two levels became, clipped to [0, 1]. */
function regrey(value: number, levels: readonly number[]): number {
  const at = Math.min(1, Math.max(0, value)) * (LEVELS - 1);
  const low = Math.min(LEVELS - 2, Math.floor(at));
  const mapped = levels[low]! + (at - low) * (levels[low + 1]! - levels[low]!);
  return Math.min(1, Math.max(0, mapped));
}

/** [axes, axes]: a turn about each axis of the plane or of space, times a size. */
function drawTurn(axes: number, spread: number, size: number, rng: Rng): number[] {
  let matrix = Array.from({ length: axes * axes }, (_, at) => (at % (axes + 1) === 0 ? size : 0));
  for (let first = 0; first < axes; first += 1)
    for (let second = first + 1; second < axes; second += 1)
      matrix = turned(matrix, axes, first, second, spread * rng.normal());
  return matrix;
}

/** The matrix after a turn in the plane of two axes. */
function turned(
  matrix: readonly number[],
  axes: number,
  first: number,
  second: number,
  angle: number,
): number[] {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return matrix.map((value, at) => {
    const [row, column] = [Math.floor(at / axes), at % axes];
    if (row === first) return cos * value - sin * matrix[second * axes + column]!;
    if (row === second) return sin * matrix[first * axes + column]! + cos * value;
    return value;
  });
}
