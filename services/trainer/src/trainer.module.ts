import type { ObjectStore } from '@medformer/object-store';
import { LOGGER, OBJECT_STORE, objectStoreConfig } from '@medformer/rpc';
import type { Logger } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import type { TrainerConfig } from './config.js';
import { TrainerController } from './trainer.controller.js';
import { TrainingRuns } from './training-runs.js';

@Module({})
export class TrainerModule implements OnModuleDestroy {
  constructor(@Inject(TrainingRuns) private readonly runs: TrainingRuns) {}

  static with(this: void, config: TrainerConfig): DynamicModule {
    const options = {
      store: objectStoreConfig(config),
      concurrency: config.trainerConcurrency,
      ...(config.trainerThreads ? { threads: config.trainerThreads } : {}),
    };
    return {
      module: TrainerModule,
      controllers: [TrainerController],
      providers: [
        {
          provide: TrainingRuns,
          inject: [OBJECT_STORE, LOGGER],
          useFactory: (store: ObjectStore, logger: Logger) => new TrainingRuns(store, options, logger),
        },
      ],
    };
  }

  /** Runs end with a checkpoint before the process does. */
  async onModuleDestroy(): Promise<void> {
    await this.runs.stop();
  }
}
