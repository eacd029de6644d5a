import { VIEW_POLICIES } from '@medformer/augment';
import type { MethodSpec } from '@medformer/schema';
import { projectionHead } from '../heads/projection-head.js';
import { ntXent } from '../losses/nt-xent.js';
import type { Method } from './method.js';

/** SimCLR (Chen et al. 2020): two views of an image are nearer to each other than to any other image's. */
export const simclr: Method<Extract<MethodSpec, { name: 'simclr' }>> = {
  name: 'simclr',
  policies: VIEW_POLICIES.simclr,
  loss(spec, model, input) {
    const h = model.encode(input);
    return {
      loss: ntXent(
        projectionHead(model.parameters, 'simclr', h, spec.projection),
        spec.temperature,
        spec.reduction,
      ),
      h,
    };
  },
  expected: ({ reduction }, batch) => ({ start: (reduction === 'sum' ? 2 : 1) * Math.log(2 * batch - 1) }),
};
