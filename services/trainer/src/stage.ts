import { TrainerServiceService } from '@medformer/gen/trainer';
import { defineStage } from '@medformer/rpc';
import { trainerConfig } from './config.js';
import { TrainerModule } from './trainer.module.js';

export const trainer = defineStage({
  name: 'trainer',
  defaultPort: 50053,
  definitions: [TrainerServiceService],
  config: trainerConfig,
  module: TrainerModule.with,
});
