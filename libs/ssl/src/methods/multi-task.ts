import { VIEW_POLICIES } from '@medformer/augment';
import { type ExpectedLoss, MedformerError, type MethodSpec } from '@medformer/schema';
import type { tf } from '@medformer/tensorflow';
import { taskLoss } from '../losses/task-loss.js';
import { uncertaintyWeighted } from '../losses/uncertainty-weight.js';
import { expectedOfHead } from './expected-of-classes.js';
import type { Method } from './method.js';

type MultiTaskSpec = Extract<MethodSpec, { name: 'multi-task' }>;

/**
 * Several tasks at once, each with its own query and head over one body: a batch is of one task, and its loss is that
 * task's, times its weight. Which task a batch is of, `MultiTaskPlan` draws.
 */
export const multiTask: Method<MultiTaskSpec> = {
  name: 'multi-task',
  policies: VIEW_POLICIES['multi-task'],
  loss(spec, model, input, { labels, task, share }) {
    const settings = settingsOf(spec, task);
    const head = model.headOf(settings.task);
    const h = model.encode(input, head.task);
    const made = taskLoss(head, model.decide(h, head), labels, spec.labelSmoothing, share);
    const weighed = made.loss.mul(settings.weight) as tf.Scalar;
    const loss =
      spec.weighting === 'fixed'
        ? weighed
        : uncertaintyWeighted(
            weighed,
            model.parameters.get(`method/multi-task/log-variance/${head.task}`, [1], 'zeros'),
          );
    return { loss, h, accuracy: made.accuracy, terms: () => ({ [head.task]: weighed }) };
  },
  /** Where its heads differ, of the first loss only: what follows depends on which tasks come when. */
  expected(spec, _batch, heads): ExpectedLoss {
    const known = heads.map((head) => {
      const { weight } = settingsOf(spec, head.task);
      const expected = expectedOfHead(head, spec);
      const times = (value: number | undefined) => (value === undefined ? value : weight * value);
      return { ...expected, start: times(expected.start), floor: times(expected.floor), weight };
    });
    const first = {
      least: Math.min(...known.map((of) => of.weight * of.first!.least)),
      most: Math.max(...known.map((of) => of.weight * of.first!.most)),
    };
    const [only] = known;
    if (known.length > 1 || only?.start === undefined) return { first };
    // A learnt variance has no end to how far it falls.
    const floor = spec.weighting === 'fixed' ? { floor: only.floor! } : {};
    return { start: only.start, ...floor, first };
  },
};

function settingsOf({ tasks }: MultiTaskSpec, task: string | undefined): MultiTaskSpec['tasks'][number] {
  const found = tasks.find((known) => known.task === task);
  if (found) return found;
  throw new MedformerError('INTERNAL', `a batch of task ${task ?? 'none'} in a run of other tasks`);
}
