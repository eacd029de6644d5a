/** Centres of the patches of a grid along each axis, in [-1, 1]: [N * axes], row-major in N. */
export function patchCentres(grid: number[]): Float32Array {
  const axes = grid.length;
  const count = grid.reduce((product, edge) => product * edge, 1);
  const centres = new Float32Array(count * axes);
  for (let token = 0; token < count; token += 1) {
    let rest = token;
    for (let axis = axes - 1; axis >= 0; axis -= 1) {
      const edge = grid[axis]!;
      centres[token * axes + axis] = (2 * ((rest % edge) + 0.5)) / edge - 1;
      rest = Math.floor(rest / edge);
    }
  }
  return centres;
}

/**
 * Fourier position codes of patch centres (Tancik et al. 2020; Jaegle et al. 2021, section 3.2):
 * for each spatial axis the centre c in [-1, 1] and sin(pi f c), cos(pi f c) for f = 1/2, 1, ... frequencies / 2.
 * Codes depend on the relative place only, so sizes never seen keep their meaning.
 * @returns [N * features] row-major, features = axes * (2 * frequencies + 1)
 */
export function fourierPositionCodes(
  grid: number[],
  frequencies: number,
): { values: Float32Array; features: number } {
  const perAxis = 2 * frequencies + 1;
  const centres = patchCentres(grid);
  const values = new Float32Array(centres.length * perAxis);
  for (const [place, centre] of centres.entries()) {
    const at = place * perAxis;
    values[at] = centre;
    for (let f = 0; f < frequencies; f += 1) {
      const angle = (Math.PI * (f + 1) * centre) / 2;
      values[at + 1 + 2 * f] = Math.sin(angle);
      values[at + 2 + 2 * f] = Math.cos(angle);
    }
  }
  return { values, features: grid.length * perAxis };
}
