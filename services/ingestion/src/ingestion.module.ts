import type { DynamicModule } from '@nestjs/common';
import type { IngestionConfig } from './config.js';

/** Injection token of the settings. */
export const CONFIG = Symbol('IngestionConfig');

class IngestionModule {}

/** LOGGER and OBJECT_STORE of @medformer/rpc can be injected here without being imported. */
export function ingestionModule(config: IngestionConfig): DynamicModule {
  return {
    module: IngestionModule,
    controllers: [],
    providers: [{ provide: CONFIG, useValue: config }],
  };
}
