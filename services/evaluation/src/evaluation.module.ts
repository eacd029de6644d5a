import { type ComputeProcess, startComputeProcess } from '@medformer/compute';
import type { ObjectStore } from '@medformer/object-store';
import { LOGGER, OBJECT_STORE, objectStoreConfig } from '@medformer/rpc';
import { codeVersion, type Logger } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { EvaluationConfig } from './config.js';
import { EvaluationController } from './evaluation.controller.js';
import type { EvaluationCalls } from './evaluation-calls.js';
import { MOST_DATASETS, showScores } from './evaluation-metrics.js';
import { EVALUATION_PROCESS, EVALUATION_SETTINGS, type EvaluationSettings } from './evaluation-settings.js';
import { Evaluations } from './evaluations.js';
import { Promotions } from './promotions.js';
import { listReports } from './report-store.js';

@Module({})
export class EvaluationModule implements OnModuleInit, OnModuleDestroy {
  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EVALUATION_PROCESS) private readonly process: ComputeProcess<EvaluationCalls>,
    @Inject(Evaluations) private readonly evaluations: Evaluations,
  ) {}

  static with(this: void, config: EvaluationConfig): DynamicModule {
    return {
      module: EvaluationModule,
      controllers: [EvaluationController],
      providers: [
        { provide: EVALUATION_SETTINGS, useFactory: () => settingsOf(config) },
        Evaluations,
        Promotions,
        { provide: EVALUATION_PROCESS, useFactory: startEvaluationProcess },
      ],
    };
  }

  /** Shows the scores of before this start; serving does not wait for them. */
  onModuleInit(): void {
    listReports(this.store, MOST_DATASETS)
      .then((stored) => {
        for (const { report } of stored.reverse()) showScores(report);
      })
      .catch((err) => this.logger.warn({ err }, 'cannot show the scores of stored reports'));
  }

  async onModuleDestroy(): Promise<void> {
    await this.evaluations.stop();
    await this.process.stop();
  }
}

function settingsOf(config: EvaluationConfig): EvaluationSettings {
  return {
    store: objectStoreConfig(config),
    codeVersion: codeVersion(),
    atOnce: config.evaluationsAtOnce,
    mostWaiting: config.evaluationsWaiting,
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
