/** The mean over a box of `radius` voxels to each side, cut at the borders of the grid; in place, any number of axes. */
export function boxBlur(values: Float64Array, spatial: readonly number[], radius: number): void {
  let inner = 1;
  for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
    const edge = spatial[axis]!;
    const sums = new Float64Array(edge + 1);
    for (let begin = 0; begin < values.length; begin += inner * edge) {
      for (let line = begin; line < begin + inner; line += 1) {
        for (let at = 0; at < edge; at += 1) sums[at + 1] = sums[at]! + values[line + at * inner]!;
        for (let at = 0; at < edge; at += 1) {
          const low = Math.max(0, at - radius);
          const high = Math.min(edge, at + radius + 1);
          values[line + at * inner] = (sums[high]! - sums[low]!) / (high - low);
        }
      }
    }
    inner *= edge;
  }
}
