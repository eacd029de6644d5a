import { TrainerServiceService } from '@medformer/gen/trainer';
import { defineStage } from '@medformer/rpc';
import { trainerConfig } from './config.js';
import { TrainerModule } from './trainer.module.js';
import { TrainingRuns } from './training-runs.js';

export const trainer = defineStage({
  name: 'trainer',
  defaultPort: 50053,
  definitions: [TrainerServiceService],
  config: trainerConfig,
  module: TrainerModule.with,
  ready: (app) => app.get(TrainingRuns, { strict: false }).ready(),
  // Watchers wait for their run: it ends first.
  stopping: (app) => void app.get(TrainingRuns, { strict: false }).stop(),
});
