/** The spatial edges raised to multiples, as a network with halvings needs them. */
export function paddedEdges(spatial: readonly number[], multiple: number): number[] {
  return spatial.map((edge) => Math.ceil(edge / multiple) * multiple);
}

/**
 * Of every voxel of the grid `spatial` the voxel of the grid `within` at the same place, the nearest one beyond its edges:
 * pads by the edge where `spatial` is the larger one, crops where it is the smaller one.
 */
export function placesIn(spatial: readonly number[], within: readonly number[]): Int32Array {
  let places = Int32Array.of(0);
  spatial.forEach((edge, axis) => {
    const inner = within[axis]!;
    const next = new Int32Array(places.length * edge);
    places.forEach((place, at) => {
      for (let along = 0; along < edge; along += 1)
        next[at * edge + along] = place * inner + Math.min(along, inner - 1);
    });
    places = next;
  });
  return places;
}
