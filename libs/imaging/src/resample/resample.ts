import { badInput, type MedformerError, type Resampling } from '@medformer/schema';
import { MAX_IMAGE_BYTES } from '../voxels.js';
import { alongAxis, triangleWeights } from './axis-weights.js';

export interface ResampledPixels {
  shape: number[];
  pixels: Uint8Array | Uint16Array;
  spacingMm?: number[];
}

const MAX_EDGE = 65_535;

/**
 * The spatial edges that an image comes to: those asked for, or those that its field of view has at the asked spacing,
 * rounded. What is asked for counts from the last axis on; an axis that is not named stays.
 *
 * @param shape with channels
 * @throws MedformerError INVALID_ARGUMENT where millimetres are asked of an image that tells none, or the result is too
 * large
 */
export function resampledEdges(
  { shape, spacingMm }: { shape: readonly number[]; spacingMm?: readonly number[] },
  { to, values }: Resampling,
  file: string,
): number[] {
  const edges = shape.slice(0, -1);
  const refuse = (field: string, expected: string, found: string): MedformerError =>
    badInput({ file, field, expected, found });
  if (to === 'spacing' && !spacingMm) throw refuse('spacing', 'millimetres, to resample to others', 'none');
  const made = edges.map((edge, axis) => {
    const wanted = values[values.length - edges.length + axis];
    if (wanted === undefined) return edge;
    return to === 'shape' ? wanted : Math.max(1, Math.round((edge * spacingMm![axis]!) / wanted));
  });
  const bytes = made.reduce((product, edge) => product * edge, 4 * shape.at(-1)!);
  if (made.some((edge) => edge > MAX_EDGE) || bytes > MAX_IMAGE_BYTES) {
    const expected = `edges up to ${MAX_EDGE} and ${MAX_IMAGE_BYTES} bytes of float32`;
    throw refuse('resampled shape', expected, made.join(' x '));
  }
  return made;
}

/**
 * Pixels at other spatial edges over the same field of view: linear along each axis, anti-aliased, rounded half up. The
 * spacing changes with the edges.
 */
export function resamplePixels(
  { shape, pixels, spacingMm }: ResampledPixels,
  edges: readonly number[],
): ResampledPixels {
  const made = [...shape];
  let values: ArrayLike<number> = pixels;
  // Axes that shrink go first, so that the others have less to do.
  const order = edges.map((_, axis) => axis).sort((x, y) => edges[x]! / shape[x]! - edges[y]! / shape[y]!);
  for (const axis of order) {
    if (edges[axis] === shape[axis]) continue;
    values = alongAxis(values, made, axis, triangleWeights(shape[axis]!, edges[axis]!));
    made[axis] = edges[axis]!;
  }
  const spacing = spacingMm?.map((mm, axis) => (mm * shape[axis]!) / made[axis]!);
  return { shape: made, pixels: rounded(values, pixels), ...(spacing ? { spacingMm: spacing } : {}) };
}

function rounded(values: ArrayLike<number>, like: Uint8Array | Uint16Array): Uint8Array | Uint16Array {
  if (values === like) return like;
  const pixels = like instanceof Uint8Array ? new Uint8Array(values.length) : new Uint16Array(values.length);
  for (let at = 0; at < values.length; at += 1) pixels[at] = Math.floor(values[at]! + 0.5);
  return pixels;
}
