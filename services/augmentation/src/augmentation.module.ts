import type { DynamicModule } from '@nestjs/common';
import type { AugmentationConfig } from './config.js';

/** Injection token of the settings. */
export const CONFIG = Symbol('AugmentationConfig');

class AugmentationModule {}

/** LOGGER and OBJECT_STORE of @medformer/rpc can be injected here without being imported. */
export function augmentationModule(config: AugmentationConfig): DynamicModule {
  return {
    module: AugmentationModule,
    controllers: [],
    providers: [{ provide: CONFIG, useValue: config }],
  };
}
