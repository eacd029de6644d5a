import type { ObjectStoreConfig } from '@medformer/object-store';
import type { RunSpec } from '@medformer/schema';
import type { StepReport } from '@medformer/ssl';

export type TrainingEvent =
  | { type: 'step'; report: StepReport; imagesPerSecond: number; etaSeconds: number }
  | { type: 'checkpoint'; step: number; checkpoint: string }
  | { type: 'warning'; message: string };

/** What the training process answers. */
export type TrainingCalls = {
  train: {
    input: { store: ObjectStoreConfig; spec: RunSpec; threads?: number };
    output: { checkpoint: string; step: number };
    progress: TrainingEvent;
  };
};
