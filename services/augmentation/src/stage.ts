import { AugmentationServiceService } from '@medformer/gen/augmentation';
import { defineStage } from '@medformer/rpc';
import { AugmentationModule } from './augmentation.module.js';
import { augmentationConfig } from './config.js';

export const augmentation = defineStage({
  name: 'augmentation',
  defaultPort: 50052,
  definitions: [AugmentationServiceService],
  config: augmentationConfig,
  module: AugmentationModule.with,
});
