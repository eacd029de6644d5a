/**
 * Fourier position codes of patch centres (Tancik et al. 2020; Jaegle et al. 2021, section 3.2):
 * for each spatial axis the centre c in [-1, 1] gives sin(pi f c), cos(pi f c) for f = 1 ... frequencies / 2 in
 * half steps, and c itself. Codes depend on the relative place only, so sizes never seen keep their meaning.
 * @returns [N * features] row-major, features = axes * (2 * frequencies + 1)
 */
export function fourierPositionCodes(
  grid: number[],
  frequencies: number,
): { values: Float32Array; features: number } {
  const features = grid.length * (2 * frequencies + 1);
  const count = grid.reduce((product, edge) => product * edge, 1);
  const values = new Float32Array(count * features);
  for (let token = 0; token < count; token += 1) {
    let rest = token;
    let axisStart = token * features + features;
    for (let axis = grid.length - 1; axis >= 0; axis -= 1) {
      const edge = grid[axis]!;
      const centre = (2 * ((rest % edge) + 0.5)) / edge - 1;
      rest = Math.floor(rest / edge);
      axisStart -= 2 * frequencies + 1;
      values[axisStart] = centre;
      for (let f = 0; f < frequencies; f += 1) {
        const angle = (Math.PI * (f + 1) * centre) / 2;
        values[axisStart + 1 + 2 * f] = Math.sin(angle);
        values[axisStart + 2 + 2 * f] = Math.cos(angle);
      }
    }
  }
  return { values, features };
}
