import type { ObjectStoreConfig } from '@medformer/object-store';
import type { LoadReport, RunSpec } from '@medformer/schema';
import type { ExaminedStep, StepReport } from '@medformer/ssl';
import type { ClaimedTraining } from './claimed-training.js';

export type TrainingEvent =
  | { type: 'started'; method: string; epoch: number }
  | { type: 'step'; report: StepReport; imagesPerSecond: number; etaSeconds: number }
  | { type: 'checkpoint'; step: number; checkpoint: string }
  | { type: 'loaded'; report: LoadReport }
  | { type: 'failed-step'; failedStep: string }
  | { type: 'warning'; message: string };

/** What the training process answers. */
export type TrainingCalls = {
  train: {
    input: ClaimedTraining;
    output: { checkpoint: string; step: number };
    progress: TrainingEvent;
  };
  /** Computes a failed step again. */
  replay: {
    input: { store: ObjectStoreConfig; spec: RunSpec; failedStep: string; threads?: number };
    output: ReplayedStep;
  };
};

export interface ReplayedStep {
  step: number;
  images: string[];
  /** As the run had them. */
  run: { loss: number; gradientNorm: number };
  examined: ExaminedStep;
  parameters: number;
}
