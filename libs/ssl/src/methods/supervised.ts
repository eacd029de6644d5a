import { VIEW_POLICIES } from '@medformer/augment';
import type { MethodSpec } from '@medformer/schema';
import { accuracyOfFlags, binaryCrossEntropy } from '../losses/binary-cross-entropy.js';
import { accuracyOf, crossEntropy } from '../losses/cross-entropy.js';
import { expectedOfClasses } from './expected-of-classes.js';
import type { Method } from './method.js';

/** Normal training on labels, the comparison every pretext task has to beat. */
export const supervised: Method<Extract<MethodSpec, { name: 'supervised' }>> = {
  name: 'supervised',
  policies: VIEW_POLICIES.supervised,
  loss(spec, model, input, { labels }) {
    const logits = model.classify(input, spec.task);
    if (model.heads.some(({ task, multiLabel }) => task === spec.task && multiLabel)) {
      return {
        loss: binaryCrossEntropy(logits, labels, spec.labelSmoothing),
        h: logits,
        accuracy: accuracyOfFlags(logits, labels),
      };
    }
    return {
      loss: crossEntropy(logits, labels, spec.labelSmoothing),
      h: logits,
      accuracy: accuracyOf(logits, labels),
    };
  },
  expected: ({ labelSmoothing }, _batch, classes) => expectedOfClasses(classes, { labelSmoothing }),
};
