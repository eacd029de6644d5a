import { type Evaluation, EvaluationState, type ScoresTest } from '@medformer/gen/evaluation';
import type { PairedTest } from '@medformer/schema';
import type { EvaluationView } from './live-evaluation.js';

const STATES: Record<EvaluationView['state'], EvaluationState> = {
  queued: EvaluationState.EVALUATION_STATE_QUEUED,
  running: EvaluationState.EVALUATION_STATE_RUNNING,
  succeeded: EvaluationState.EVALUATION_STATE_SUCCEEDED,
  failed: EvaluationState.EVALUATION_STATE_FAILED,
  cancelled: EvaluationState.EVALUATION_STATE_CANCELLED,
  interrupted: EvaluationState.EVALUATION_STATE_INTERRUPTED,
};

/** An evaluation as it goes over the wire. */
export function evaluationOf({ id, asked, state, progress, report, failure }: EvaluationView): Evaluation {
  return {
    evaluation: id,
    state: STATES[state],
    title: asked.spec.title,
    progress,
    report: report ?? '',
    failure: failure?.message ?? '',
    failureCode: failure?.code ?? '',
    requestedAt: new Date(asked.requestedAt),
  };
}

/** A paired test of the first row less another as it goes over the wire. */
export function testOf({ second, metric, test, seed, difference, interval, p }: PairedTest): ScoresTest {
  return {
    ...{ row: second, metric, test, difference, p },
    seed: seed === undefined ? undefined : BigInt(seed),
    low: interval?.low,
    high: interval?.high,
  };
}
