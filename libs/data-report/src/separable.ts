import { type AxisWeights, axisWeights } from '@medformer/imaging/axis-weights';

/** `edge` samples as `made`: averaged by the length of axis that each covers, or interpolated linearly where there are fewer. */
export function resampleWeights(edge: number, made: number): AxisWeights {
  const step = edge / made;
  return axisWeights(made, edge, (row, at) => {
    if (step < 1) {
      const place = Math.min(edge - 1, Math.max(0, (row + 0.5) * step - 0.5));
      return Math.max(0, 1 - Math.abs(place - at));
    }
    const covered = Math.min((row + 1) * step, at + 1) - Math.max(row * step, at);
    return Math.max(0, covered) / step;
  });
}

/** The first `count` basis vectors of the DCT-II over `edge` samples, of unit length, moved by `shift` samples; ends repeat. */
export function cosineWeights(edge: number, count: number, shift = 0): AxisWeights {
  return axisWeights(count, edge, (row, at) => {
    let sum = 0;
    for (let source = 0; source < edge; source += 1) {
      if (Math.min(edge - 1, Math.max(0, source + shift)) !== at) continue;
      sum += Math.cos((Math.PI * (source + 0.5) * row) / edge);
    }
    return sum * Math.sqrt((row === 0 ? 1 : 2) / edge);
  });
}

/** A Gaussian over `edge` samples, cut at two deviations; ends repeat. */
export function gaussianWeights(edge: number, sigma: number): AxisWeights {
  const reach = Math.ceil(2 * sigma);
  const tap = (offset: number) => Math.exp((-offset * offset) / (2 * sigma * sigma));
  let total = 0;
  for (let offset = -reach; offset <= reach; offset += 1) total += tap(offset);
  return axisWeights(edge, edge, (row, at) => {
    let sum = 0;
    for (let offset = -reach; offset <= reach; offset += 1) {
      if (Math.min(edge - 1, Math.max(0, row + offset)) === at) sum += tap(offset) / total;
    }
    return sum;
  });
}
