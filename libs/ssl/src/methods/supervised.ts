import { VIEW_POLICIES } from '@medformer/augment';
import type { MethodSpec } from '@medformer/schema';
import { taskLoss } from '../losses/task-loss.js';
import { expectedOfHead } from './expected-of-classes.js';
import type { Method } from './method.js';

/** Normal training on labels, the comparison every pretext task has to beat. */
export const supervised: Method<Extract<MethodSpec, { name: 'supervised' }>> = {
  name: 'supervised',
  policies: VIEW_POLICIES.supervised,
  loss(spec, model, input, { labels, share }) {
    const head = model.headOf(spec.task);
    const h = model.encode(input, head.task);
    return { ...taskLoss(head, model.decide(h, head), labels, spec.labelSmoothing, share), h };
  },
  expected: (spec, _batch, heads) => expectedOfHead(heads[0]!, spec),
};
