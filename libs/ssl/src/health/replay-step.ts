import type { CodeKeys, TaskHead } from '@medformer/medformer';
import type { RunSpec } from '@medformer/schema';
import type { HostBatch } from '../batch.js';
import { type InitialWeights, type StoredState, TrainSession } from '../train-session.js';
import type { ExaminedStep } from './examine-step.js';

/** A step by itself, apart from the run it is of. */
export interface StepToReplay {
  spec: RunSpec;
  codes: CodeKeys;
  heads: TaskHead[];
  /** [...spatial, channels] of the run's images. */
  shapes: readonly number[][];
  step: number;
  /** Before the step. */
  state: StoredState;
  parts: readonly HostBatch[];
  /** What the run started from, where parts of it are frozen. */
  initial?: InitialWeights;
}

/**
 * Computes one step again, op by op, from its batch and the weights before it.
 * @throws MedformerError DATA_LOSS where the weights are not those of such a model
 */
export function replayStep({ shapes, state, step, parts, ...run }: StepToReplay): ExaminedStep {
  const groups = shapes.map((shape) => ({ shape, pixels: new Uint8Array(0), records: [] }));
  const session = new TrainSession({ ...run, groups, resume: state, onWarning: () => {} });
  try {
    return session.examine(step, parts);
  } finally {
    session.dispose();
  }
}
