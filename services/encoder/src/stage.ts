import { EncoderServiceService } from '@medformer/gen/encoder';
import { defineStage } from '@medformer/rpc';
import { encoderConfig } from './config.js';
import { EncoderModule } from './encoder.module.js';
import { ServingModel } from './serving-model.js';

export const encoder = defineStage({
  name: 'encoder',
  defaultPort: 50055,
  definitions: [EncoderServiceService],
  config: encoderConfig,
  module: EncoderModule.with,
  async ready(app) {
    app.get(ServingModel, { strict: false }).ready();
  },
});
