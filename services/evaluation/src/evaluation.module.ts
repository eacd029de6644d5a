import { type ComputeProcess, startComputeProcess } from '@medformer/compute';
import { storeUrl } from '@medformer/rpc';
import { codeVersion } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import type { EvaluationConfig } from './config.js';
import { EvaluationController } from './evaluation.controller.js';
import type { EvaluationCalls } from './evaluation-calls.js';
import { EVALUATION_PROCESS, EVALUATION_SETTINGS, type EvaluationSettings } from './evaluation-settings.js';

@Module({})
export class EvaluationModule implements OnModuleDestroy {
  constructor(@Inject(EVALUATION_PROCESS) private readonly process: ComputeProcess<EvaluationCalls>) {}

  static with(this: void, config: EvaluationConfig): DynamicModule {
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

function settingsOf(config: EvaluationConfig): EvaluationSettings {
  return {
    store: { url: storeUrl(config), accessKey: config.storeAccessKey, secretKey: config.storeSecretKey },
    codeVersion: codeVersion(),
    ...(config.evaluationThreads ? { threads: config.evaluationThreads } : {}),
  };
}

function startEvaluationProcess(): ComputeProcess<EvaluationCalls> {
  return startComputeProcess(new URL('../dist/evaluation-process.js', import.meta.url), {
    name: 'evaluation process',
    // A fit sees a cancellation only at its end, and must not be killed for it beside other evaluations.
    gracePeriodMs: 15_000,
  });
}
