import { type DynamicModule, Module } from '@nestjs/common';
import { AugmentationController } from './augmentation.controller.js';

@Module({})
export class AugmentationModule {
  static with(this: void): DynamicModule {
    return { module: AugmentationModule, controllers: [AugmentationController] };
  }
}
