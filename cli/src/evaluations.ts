import { type Evaluation, EvaluationServiceService, EvaluationState } from '@medformer/gen/evaluation';
import { MedformerError } from '@medformer/schema';
import type { Context } from './context.js';
import type { Spec } from './spec-file.js';

const STATES: Record<number, string> = {
  [EvaluationState.EVALUATION_STATE_QUEUED]: 'queued',
  [EvaluationState.EVALUATION_STATE_RUNNING]: 'running',
  [EvaluationState.EVALUATION_STATE_SUCCEEDED]: 'succeeded',
  [EvaluationState.EVALUATION_STATE_FAILED]: 'failed',
  [EvaluationState.EVALUATION_STATE_CANCELLED]: 'cancelled',
  [EvaluationState.EVALUATION_STATE_INTERRUPTED]: 'interrupted',
};

/** An evaluation as commands print it with --json. */
export interface EvaluationLine {
  evaluation: string;
  state: string;
  title: string;
  requestedAt: string;
  progress?: { stage: string; done: number; total: number };
  report?: string;
  failure?: { code: string; message: string };
}

export function evaluationLine(evaluation: Evaluation): EvaluationLine {
  const { state, title, progress, report, failure, failureCode, requestedAt } = evaluation;
  return {
    evaluation: evaluation.evaluation,
    state: STATES[state] ?? 'unknown',
    title,
    requestedAt: requestedAt?.toISOString() ?? '',
    ...(progress ? { progress } : {}),
    ...(report === '' ? {} : { report }),
    ...(failure === '' ? {} : { failure: { code: failureCode, message: failure } }),
  };
}

/** Queues an evaluation, or finds it; equal specs are one. */
export async function startEvaluation({ connection }: Context, spec: Spec): Promise<EvaluationLine> {
  const { evaluation } = await connection.unary(EvaluationServiceService.startEvaluation, { spec });
  return evaluationLine(evaluation!);
}

/** Follows an evaluation with live progress until it ends. Ctrl-C stops following, not the evaluation. */
export async function watchEvaluation(
  { connection, terminal }: Context,
  evaluation: string,
): Promise<EvaluationLine> {
  const progress = terminal.progress('evaluate');
  let last: Evaluation | undefined;
  try {
    const views = connection.serverStream(EvaluationServiceService.watchEvaluation, { evaluation });
    for await (const { evaluation: view } of views) {
      last = view;
      if (view?.progress) progress.update(view.progress.done, view.progress.total, view.progress.stage);
    }
  } finally {
    progress.stop();
  }
  if (!last) throw new MedformerError('DATA_LOSS', 'the service ended without a state');
  return evaluationLine(last);
}
