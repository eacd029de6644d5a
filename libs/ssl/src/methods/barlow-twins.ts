import { VIEW_POLICIES } from '@medformer/augment';
import type { MethodSpec } from '@medformer/schema';
import { projectionHead } from '../heads/projection-head.js';
import { barlowTwins as barlowTwinsLoss } from '../losses/barlow-twins.js';
import type { Method } from './method.js';

/** Barlow Twins (Zbontar et al. 2021): features of two views agree, different features do not repeat each other. */
export const barlowTwins: Method<Extract<MethodSpec, { name: 'barlow-twins' }>> = {
  name: 'barlow-twins',
  policies: VIEW_POLICIES['barlow-twins'],
  loss(spec, model, input) {
    const h = model.encode(input);
    return {
      loss: barlowTwinsLoss(
        projectionHead(model.parameters, 'barlow-twins', h, spec.projection),
        spec.lambda,
        spec.normalisation,
      ),
      h,
    };
  },
  expected({ projection, lambda, normalisation }, batch) {
    const width = projection[projection.length - 1]!;
    // By the sample's deviation every correlation is smaller by this factor, so like views keep a distance from 1.
    const scale = normalisation === 'sample' ? (batch - 1) / batch : 1;
    const redundancy = (scale ** 2 * lambda * width * (width - 1)) / batch;
    return {
      start: width * (1 + scale ** 2 / batch) + redundancy,
      floor: width * (1 - scale) ** 2 + redundancy,
    };
  },
};
