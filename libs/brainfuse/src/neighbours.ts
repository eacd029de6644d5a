/**
 * Calls `visit` for every two neighbouring voxels of a row-major grid, once each, along every axis.
 *
 * @param visit is given the indices of the lower and the upper voxel
 */
export function eachNeighbours(
  spatial: readonly number[],
  visit: (lower: number, upper: number) => void,
): void {
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  let inner = 1;
  for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
    const edge = spatial[axis]!;
    const block = inner * edge;
    for (let begin = 0; begin < voxels; begin += block)
      for (let lower = begin; lower < begin + block - inner; lower += 1) visit(lower, lower + inner);
    inner = block;
  }
}
