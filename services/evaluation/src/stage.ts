import { EvaluationServiceService } from '@medformer/gen/evaluation';
import { defineStage } from '@medformer/rpc';
import { evaluationConfig } from './config.js';
import { EvaluationModule } from './evaluation.module.js';

export const evaluation = defineStage({
  name: 'evaluation',
  defaultPort: 50054,
  definitions: [EvaluationServiceService],
  config: evaluationConfig,
  module: EvaluationModule.with,
});
