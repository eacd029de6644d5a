import { tf } from '@medformer/tensorflow';
import { dense } from './layers.js';
import type { Parameters } from './parameters.js';

/**
 * Images to patch tokens: [B, H, W, C] or [B, Z, H, W, C] -> [B, N, D], with N = product of ceil(size / patch).
 *
 * One set of weights serves every channel count: the mean over channels (luma) and, for colour, the first and
 * the last channel's difference to it (chroma). A grey image has no chroma, so its cost is that of one channel.
 * Edges that a patch does not fit are padded with the image mean (0 after standardisation).
 */
export function patchEmbed(parameters: Parameters, x: tf.Tensor, patch: number, width: number): tf.Tensor {
  const at = x.shape.length === 5 ? 'input/patch-embed-3d' : 'input/patch-embed-2d';
  const channels = x.shape[x.shape.length - 1]!;
  if (channels === 1) return dense(parameters, `${at}/luma`, patches(x, patch), width);
  const luma = tf.mean(x, -1, true);
  const chroma = tf.sub(tf.concat([channel(x, 0), channel(x, channels - 1)], -1), luma);
  return tf.add(
    dense(parameters, `${at}/luma`, patches(luma, patch), width),
    dense(parameters, `${at}/chroma`, patches(chroma, patch), width),
  );
}

/** Number of patches along each spatial axis. */
export function patchGrid(spatialShape: number[], patch: number): number[] {
  return spatialShape.map((size) => Math.ceil(size / patch));
}

/** [B, ...spatial, C] -> [B, N, patch^axes * C], patches in row-major order. */
function patches(x: tf.Tensor, patch: number): tf.Tensor {
  const batch = x.shape[0]!;
  const channels = x.shape[x.shape.length - 1]!;
  const spatial = x.shape.slice(1, -1);
  const grid = patchGrid(spatial, patch);
  const missing = grid.map((count, axis) => count * patch - spatial[axis]!);
  const padded = missing.some((count) => count > 0)
    ? tf.pad(x, [[0, 0], ...missing.map((count): [number, number] => [0, count]), [0, 0]])
    : x;
  const [rows, columns] = grid.slice(-2) as [number, number];
  const slices = grid.length === 3 ? grid[0]! : 1;
  if (grid.length === 2) {
    const cells = tf.reshape(padded, [batch, rows, patch, columns, patch * channels]);
    return tf.reshape(tf.transpose(cells, [0, 1, 3, 2, 4]), [
      batch,
      rows * columns,
      patch * patch * channels,
    ]);
  }
  // Rank 6 is the most tfjs transposes: the two outer axes ride together, which the row-major order allows.
  const inPlane = tf.transpose(
    tf.reshape(padded, [batch * slices * patch, rows, patch, columns, patch * channels]),
    [0, 1, 3, 2, 4],
  ); // [B * Z * p, rows, columns, p, p * C]
  const cells = tf.reshape(inPlane, [batch * slices, patch, rows * columns, patch * patch * channels]);
  return tf.reshape(tf.transpose(cells, [0, 2, 1, 3]), [
    batch,
    slices * rows * columns,
    patch ** 3 * channels,
  ]);
}

function channel(x: tf.Tensor, index: number): tf.Tensor {
  const begin = x.shape.map(() => 0);
  begin[begin.length - 1] = index;
  return tf.slice(x, begin, [...x.shape.slice(0, -1), 1]);
}
