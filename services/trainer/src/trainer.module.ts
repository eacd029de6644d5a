import type { DynamicModule } from '@nestjs/common';
import type { TrainerConfig } from './config.js';

/** Injection token of the settings. */
export const CONFIG = Symbol('TrainerConfig');

class TrainerModule {}

/** LOGGER and OBJECT_STORE of @medformer/rpc can be injected here without being imported. */
export function trainerModule(config: TrainerConfig): DynamicModule {
  return {
    module: TrainerModule,
    controllers: [],
    providers: [{ provide: CONFIG, useValue: config }],
  };
}
