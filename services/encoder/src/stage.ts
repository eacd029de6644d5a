import { EncoderServiceService } from '@medformer/gen/encoder';
import { GRPCInferenceServiceService } from '@medformer/gen/inference';
import { defineStage } from '@medformer/rpc';
import { encoderConfig } from './config.js';
import { EncoderModule } from './encoder.module.js';
import { ServingModels } from './serving-models.js';

export const encoder = defineStage({
  name: 'encoder',
  defaultPort: 50055,
  definitions: [EncoderServiceService, GRPCInferenceServiceService],
  config: encoderConfig,
  module: EncoderModule.with,
  async ready(app) {
    app.get(ServingModels, { strict: false }).ready();
  },
});
