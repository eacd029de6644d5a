import type { ObjectStoreConfig } from '@medformer/object-store';
import type { EvaluationSpec } from '@medformer/schema';
import type { SampleTensors } from './sample-pictures.js';

export interface EvaluationProgress {
  /** e.g. `SimCLR: linear probe, seed 1`. */
  stage: string;
  done: number;
  total: number;
}

/** What the evaluation's compute process answers. */
export type EvaluationCalls = {
  /** Scores and stores; the output is the report's address. */
  evaluate: {
    input: { store: ObjectStoreConfig; spec: EvaluationSpec; codeVersion: string; threads?: number };
    output: { report: string };
    progress: EvaluationProgress;
  };
  render: {
    input: { store: ObjectStoreConfig; report: string; samples: SampleTensors[] };
    output: { html: string };
  };
};
