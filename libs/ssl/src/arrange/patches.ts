/**
 * A view cut into the patches that the model's tokens stand for, [tokens, patch ** axes * channels]: tokens row-major
 * over the grid of ceil(edge / patch), pixels row-major within a patch, channels last (`patchify` of
 * facebookresearch/mae). A patch that reaches over the edge repeats the last pixel.
 * @param shape [...spatial, channels]
 */
export function patchify(
  view: Float32Array,
  shape: readonly number[],
  patch: number,
  out: Float32Array,
): void {
  const channels = shape[shape.length - 1]!;
  forEachPatchPixel(shape, patch, (at, pixel) => {
    for (let channel = 0; channel < channels; channel += 1)
      out[at * channels + channel] = view[pixel * channels + channel]!;
  });
}

/** Sets the pixels of masked patches to 0, the middle of the standardised range, in place; `mask` [tokens], 1: masked. */
export function blankMasked(
  view: Float32Array,
  shape: readonly number[],
  patch: number,
  mask: ArrayLike<number>,
): void {
  const axes = shape.length - 1;
  const channels = shape[axes]!;
  const size = patch ** axes;
  forEachPatchPixel(shape, patch, (at, pixel) => {
    if (mask[Math.floor(at / size)] !== 1) return;
    view.fill(0, pixel * channels, (pixel + 1) * channels);
  });
}

/** Visits every place of every patch with its number (token by token) and the number of the pixel that stands there. */
function forEachPatchPixel(
  shape: readonly number[],
  patch: number,
  visit: (at: number, pixel: number) => void,
): void {
  const axes = shape.length - 1;
  const grid = shape.slice(0, axes).map((edge) => Math.ceil(edge / patch));
  const [depth, height, width] = axes === 3 ? grid : [1, ...grid];
  const [edgeZ, edgeY, edgeX] = axes === 3 ? shape : [1, ...shape];
  const slices = axes === 3 ? patch : 1;
  let at = 0;
  for (let z = 0; z < depth!; z += 1)
    for (let y = 0; y < height!; y += 1)
      for (let x = 0; x < width!; x += 1)
        for (let k = 0; k < slices; k += 1) {
          const plane = Math.min(z * slices + k, edgeZ! - 1) * edgeY!;
          for (let i = 0; i < patch; i += 1) {
            const line = (plane + Math.min(y * patch + i, edgeY! - 1)) * edgeX!;
            for (let j = 0; j < patch; j += 1, at += 1) visit(at, line + Math.min(x * patch + j, edgeX! - 1));
          }
        }
}
