import type { ReplayFailedStepResponse } from '@medformer/gen/trainer';
import type { ReplayedStep } from './training-calls.js';

/** A replayed step as the wire has it: what was not found is empty there. */
export function replayResponse(
  failedStep: string,
  { step, images, run, examined, parameters }: ReplayedStep,
): ReplayFailedStepResponse {
  const { loss, gradientNorm, terms, input, parameter, op, gradient } = examined;
  return {
    failedStep,
    step: BigInt(step),
    images,
    runLoss: run.loss,
    runGradientNorm: run.gradientNorm,
    loss,
    gradientNorm,
    terms: Object.entries(terms).map(([name, value]) => ({ name, value })),
    input: input ?? '',
    parameter: parameter ?? '',
    op: op && {
      op: op.op,
      backward: op.pass === 'backward',
      outputShape: op.output,
      near: op.near ?? '',
    },
    gradientOf: gradient?.parameter ?? '',
    badGradients: gradient?.count ?? 0,
    parameters,
  };
}
