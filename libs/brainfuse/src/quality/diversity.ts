/**
 * How different images of one shape are from each other: the root mean square of their pairwise differences per value, 0
 * for copies of one. Needs two images.
 *
 * By sum_{i<j} |x_i - x_j|^2 = n sum |x_i|^2 - |sum x_i|^2, about the mean image for the digits' sake.
 */
export function diversity(images: readonly Float32Array[]): number {
  const count = images.length;
  const length = images[0]!.length;
  const mean = new Float64Array(length);
  for (const image of images) for (let at = 0; at < length; at += 1) mean[at]! += image[at]! / count;
  let squares = 0;
  for (const image of images) for (let at = 0; at < length; at += 1) squares += (image[at]! - mean[at]!) ** 2;
  return Math.sqrt((2 * squares) / ((count - 1) * length));
}
