import { IngestionServiceService } from '@medformer/gen/ingestion';
import { defineStage } from '@medformer/rpc';
import { ingestionConfig } from './config.js';
import { IngestionModule } from './ingestion.module.js';

export const ingestion = defineStage({
  name: 'ingestion',
  defaultPort: 50051,
  definitions: [IngestionServiceService],
  config: ingestionConfig,
  module: IngestionModule.with,
});
