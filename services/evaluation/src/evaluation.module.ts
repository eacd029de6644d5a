import { type ComputeProcess, startComputeProcess } from '@medformer/compute';
import { type BaseConfig, storeUrl } from '@medformer/rpc';
import { codeVersion } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import type { z } from 'zod';
import type { evaluationConfig } from './config.js';
import { EvaluationController } from './evaluation.controller.js';
import type { EvaluationCalls } from './evaluation-calls.js';
import { EVALUATION_PROCESS, EVALUATION_SETTINGS, type EvaluationSettings } from './evaluation-settings.js';

type Config = BaseConfig & z.output<z.ZodObject<typeof evaluationConfig>>;

@Module({})
export class EvaluationModule implements OnModuleDestroy {
  constructor(@Inject(EVALUATION_PROCESS) private readonly process: ComputeProcess<EvaluationCalls>) {}

  static with(this: void, config: Config): DynamicModule {
    return {
      module: EvaluationModule,
      controllers: [EvaluationController],
      providers: [
        { provide: EVALUATION_SETTINGS, useFactory: () => settingsOf(config) },
        { provide: EVALUATION_PROCESS, useFactory: startEvaluationProcess },
      ],
    };
  }

  async onModuleDestroy(): Promise<void> {
    await this.process.stop();
  }
}

function settingsOf(config: Config): EvaluationSettings {
  return {
    store: { url: storeUrl(config), accessKey: config.storeAccessKey, secretKey: config.storeSecretKey },
    codeVersion: codeVersion(),
    ...(config.evaluationThreads ? { threads: config.evaluationThreads } : {}),
  };
}

function startEvaluationProcess(): ComputeProcess<EvaluationCalls> {
  return startComputeProcess(new URL('../dist/evaluation-process.js', import.meta.url), {
    name: 'evaluation process',
  });
}
