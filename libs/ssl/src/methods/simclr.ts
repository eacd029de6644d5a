import { VIEW_POLICIES } from '@medformer/augment';
import type { MethodSpec } from '@medformer/schema';
import { projectionHead } from '../heads/projection-head.js';
import { ntXent, ntXentTerms } from '../losses/nt-xent.js';
import type { Method } from './method.js';

/** SimCLR (Chen et al. 2020): two views of an image are nearer to each other than to any other image's. */
export const simclr: Method<Extract<MethodSpec, { name: 'simclr' }>> = {
  name: 'simclr',
  policies: VIEW_POLICIES.simclr,
  loss(spec, model, input, { share }) {
    const h = model.encode(input);
    const z = projectionHead(model.parameters, 'simclr', h, spec.projection, share);
    return {
      loss: ntXent(z, spec.temperature, spec.reduction, share),
      h,
      terms: () => ntXentTerms(z, spec.temperature),
    };
  },
  /**
   * All similarities equal: ln(2N - 1). At best the views of an image coincide and the N directions form a simplex with
   * mutual cosine -1/(N - 1), which by Jensen bounds the loss below by ln(1 + (2N - 2) exp(-(1 + 1/(N - 1)) /
   * temperature)). Similarities of random weights differ, the more the fewer directions they use, and count by the
   * temperature: measured were first losses from 0.16 / temperature below the start to 0.63 / temperature above it.
   */
  expected({ temperature, reduction }, batch) {
    const scale = reduction === 'sum' ? 2 : 1;
    const start = scale * Math.log(2 * batch - 1);
    const floor =
      scale * Math.log(1 + (2 * batch - 2) * Math.exp(-(1 + 1 / Math.max(1, batch - 1)) / temperature));
    const unit = scale / temperature;
    return {
      start,
      floor,
      collapsed: start,
      first: { least: Math.max(floor, start - 0.5 * unit), most: start + 0.75 * unit },
    };
  },
};
