import { VIEW_POLICIES } from '@medformer/augment';
import type { MethodSpec } from '@medformer/schema';
import { projectionHead } from '../heads/projection-head.js';
import { barlowTwins as barlowTwinsLoss, barlowTwinsTerms } from '../losses/barlow-twins.js';
import type { Method } from './method.js';

/** Barlow Twins (Zbontar et al. 2021): features of two views agree, different features do not repeat each other. */
export const barlowTwins: Method<Extract<MethodSpec, { name: 'barlow-twins' }>> = {
  name: 'barlow-twins',
  policies: VIEW_POLICIES['barlow-twins'],
  loss(spec, model, input, { share }) {
    const h = model.encode(input);
    const z = projectionHead(model.parameters, 'barlow-twins', h, spec.projection, share);
    return {
      loss: barlowTwinsLoss(z, spec.lambda, spec.normalisation, share),
      h,
      terms: () => barlowTwinsTerms(z, spec.lambda, spec.normalisation),
    };
  },
  /**
   * The start is that of unrelated views; those of an image are alike for random weights already, so that the first loss
   * is lower. The floor is that of independent features: of N images their correlations are chance, 1 / N in the mean
   * square. No loss belongs to collapse: the normalisation makes the little that is left as large as ever.
   */
  expected({ projection, lambda, normalisation }, batch) {
    const width = projection[projection.length - 1]!;
    // By the sample's deviation every correlation is smaller by this factor, so like views keep a distance from 1.
    const scale = normalisation === 'sample' ? (batch - 1) / batch : 1;
    const redundancy = (scale ** 2 * lambda * width * (width - 1)) / batch;
    const start = width * (1 + scale ** 2 / batch) + redundancy;
    return {
      start,
      first: { least: 0, most: 1.5 * start },
      floor: width * (1 - scale) ** 2 + redundancy,
    };
  },
};
