/**
 * Calls `visit` for every two neighbouring voxels of a row-major grid, once each, along every axis.
 *
 * @param visit is given the indices of the lower and the upper voxel and the axis between them
 */
export function eachNeighbours(
  spatial: readonly number[],
  visit: (lower: number, upper: number, axis: number) => void,
): void {
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  let inner = 1;
  for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
    const edge = spatial[axis]!;
    const block = inner * edge;
    for (let begin = 0; begin < voxels; begin += block)
      for (let lower = begin; lower < begin + block - inner; lower += 1) visit(lower, lower + inner, axis);
    inner = block;
  }
}

/**
 * How much of a border between regions runs between each voxel and its upper neighbours: half the sum of their weights'
 * differences, 1 at a cut, 1 in sum along a line through a soft border, 0 inside a region.
 *
 * @param weights [sources, ...spatial], of sum 1 at every voxel
 * @returns [...spatial, axes]; 0 where there is no upper neighbour
 */
export function borderBetween(weights: Float32Array, spatial: readonly number[]): Float32Array {
  const axes = spatial.length;
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  const border = new Float32Array(voxels * axes);
  eachNeighbours(spatial, (p, q, axis) => {
    let moved = 0;
    for (let at = 0; at < weights.length; at += voxels)
      moved += Math.abs(weights[at + p]! - weights[at + q]!);
    border[p * axes + axis] = moved / 2;
  });
  return border;
}
