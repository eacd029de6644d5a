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
  forEachPatchLine(shape, patch, (_, line, from, inside) => {
    const to = line * patch * channels;
    const end = inside * channels;
    for (let i = 0; i < end; i += 1) out[to + i] = view[from * channels + i]!;
    for (let i = end; i < patch * channels; i += 1) out[to + i] = out[to + i - channels]!;
  });
}

/** Sets the pixels of masked patches to 0, the middle of the standardised range, in place; `mask` [tokens], 1: masked. */
export function blankMasked(
  view: Float32Array,
  shape: readonly number[],
  patch: number,
  mask: ArrayLike<number>,
): void {
  const channels = shape[shape.length - 1]!;
  forEachPatchLine(shape, patch, (token, _, from, inside) => {
    if (mask[token] === 1) view.fill(0, from * channels, (from + inside) * channels);
  });
}

/**
 * Visits every line of pixels along the last axis of every patch: its token, its own number (token by token), the number
 * of its first pixel in the view, and how many of its pixels lie inside. Lines beyond the edge repeat the last one.
 */
function forEachPatchLine(
  shape: readonly number[],
  patch: number,
  visit: (token: number, line: number, from: number, inside: number) => void,
): void {
  const axes = shape.length - 1;
  const grid = shape.slice(0, axes).map((edge) => Math.ceil(edge / patch));
  const [depth, height, width] = (axes === 3 ? grid : [1, ...grid]) as [number, number, number];
  const [edgeZ, edgeY, edgeX] = (axes === 3 ? shape : [1, ...shape]) as [number, number, number];
  const slices = axes === 3 ? patch : 1;
  let [token, line] = [0, 0];
  for (let z = 0; z < depth; z += 1) {
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, token += 1) {
        const inside = Math.min(patch, edgeX - x * patch);
        for (let k = 0; k < slices; k += 1) {
          const plane = Math.min(z * slices + k, edgeZ - 1) * edgeY;
          for (let i = 0; i < patch; i += 1, line += 1) {
            visit(token, line, (plane + Math.min(y * patch + i, edgeY - 1)) * edgeX + x * patch, inside);
          }
        }
      }
    }
  }
}
