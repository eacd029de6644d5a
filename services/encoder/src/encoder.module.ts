import type { DynamicModule } from '@nestjs/common';
import type { EncoderConfig } from './config.js';

/** Injection token of the settings. */
export const CONFIG = Symbol('EncoderConfig');

class EncoderModule {}

/** LOGGER and OBJECT_STORE of @medformer/rpc can be injected here without being imported. */
export function encoderModule(config: EncoderConfig): DynamicModule {
  return {
    module: EncoderModule,
    controllers: [],
    providers: [{ provide: CONFIG, useValue: config }],
  };
}
