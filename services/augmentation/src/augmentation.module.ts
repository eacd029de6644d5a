import type { DynamicModule } from '@nestjs/common';
import { AugmentationController } from './augmentation.controller.js';

class AugmentationModule {}

export function augmentationModule(): DynamicModule {
  return { module: AugmentationModule, controllers: [AugmentationController] };
}
