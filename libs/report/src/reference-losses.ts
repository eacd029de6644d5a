import type { RunSpec } from '@medformer/schema';

/** A loss that theory gives, drawn as a line so that a curve can be judged against it. */
export interface ReferenceLoss {
  value: number;
  label: string;
}

/**
 * The losses by which a training curve can be judged: what an untrained network should start near and, where one
 * exists, the bound no training passes.
 *
 * - NT-Xent (Chen et al. 2020, eq. 1) over 2N views: ln(2N - 1) when all similarities are equal. At best the views of
 *   an image coincide and the N directions form a simplex with mutual cosine -1/(N - 1), which by Jensen bounds the
 *   loss below by ln(1 + (2N - 2) exp(-(1 + 1/(N - 1)) / temperature)).
 * - Barlow Twins (Zbontar et al. 2021, eq. 1): the projection's width when both views are unrelated; 0 at best.
 * - Cross entropy: ln(classes) when all classes are equally likely; of jigsaw puzzles the classes are permutations, of
 *   image GPT the codes of patches.
 */
export function referenceLosses(spec: RunSpec, classes: number | undefined): ReferenceLoss[] {
  const { method, batchSize } = spec;
  if (method.name === 'simclr') {
    const views = 2 * batchSize;
    const floor = Math.log(1 + (views - 2) * Math.exp(-(1 + 1 / (batchSize - 1)) / method.temperature));
    const scale = method.reduction === 'sum' ? 2 : 1;
    return [
      { value: scale * Math.log(views - 1), label: `no structure: ${scale === 2 ? '2 ' : ''}ln(2N−1)` },
      { value: scale * floor, label: 'lowest possible' },
    ];
  }
  if (method.name === 'barlow-twins') {
    return [
      { value: method.projection.at(-1)!, label: 'unrelated views: D' },
      { value: 0, label: 'lowest possible' },
    ];
  }
  if (method.name === 'jigsaw')
    return [{ value: Math.log(method.permutations), label: 'equal odds: ln(permutations)' }];
  if (method.name === 'image-gpt') return [{ value: Math.log(method.codes), label: 'equal odds: ln(codes)' }];
  if (!('task' in method) || classes === undefined) return [];
  return [{ value: Math.log(classes), label: 'equal odds: ln(classes)' }];
}
