/**
 * Gaussian blur in place along the last `axes` axes of a row-major array, borders repeated.
 *
 * @param shape e.g. `[height, width]` or `[depth, height, width]`
 * @param sigma standard deviation in samples, one per axis; 0 leaves an axis alone
 */
export function gaussianBlur(data: Float32Array, shape: readonly number[], sigma: readonly number[]): void {
  let stride = data.length;
  for (let axis = 0; axis < shape.length; axis += 1) {
    const size = shape[axis]!;
    stride /= size;
    if (sigma[axis]! > 0) blurAxis(data, size, stride, kernelOf(sigma[axis]!));
  }
}

function blurAxis(data: Float32Array, size: number, stride: number, kernel: Float64Array): void {
  const reach = kernel.length - 1;
  const line = new Float64Array(size + 2 * reach);
  for (let start = 0; start < data.length; start += 1) {
    if (Math.floor(start / stride) % size !== 0) continue;
    for (let i = -reach; i < size + reach; i += 1) {
      line[i + reach] = data[start + Math.min(size - 1, Math.max(0, i)) * stride]!;
    }
    for (let i = 0; i < size; i += 1) {
      let sum = kernel[0]! * line[i + reach]!;
      for (let k = 1; k <= reach; k += 1) sum += kernel[k]! * (line[i + reach - k]! + line[i + reach + k]!);
      data[start + i * stride] = sum;
    }
  }
}

/** One side of the kernel, centre first, so that the whole sums to 1. */
function kernelOf(sigma: number): Float64Array {
  const kernel = new Float64Array(Math.ceil(3 * sigma) + 1);
  let sum = 0;
  for (let k = 0; k < kernel.length; k += 1) {
    kernel[k] = Math.exp((-k * k) / (2 * sigma * sigma));
    sum += k === 0 ? kernel[k]! : 2 * kernel[k]!;
  }
  return kernel.map((value) => value / sum);
}
