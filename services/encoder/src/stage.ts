import { EncoderServiceService } from '@medformer/gen/encoder';
import { defineStage } from '@medformer/rpc';
import { encoderConfig } from './config.js';
import { encoderModule } from './encoder.module.js';

export const encoder = defineStage({
  name: 'encoder',
  defaultPort: 50055,
  definitions: [EncoderServiceService],
  config: encoderConfig,
  module: encoderModule,
});
