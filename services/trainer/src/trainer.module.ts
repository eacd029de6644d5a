import type { ObjectStore } from '@medformer/object-store';
import { LOGGER, OBJECT_STORE, objectStoreConfig } from '@medformer/rpc';
import type { Logger } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import { CheckpointExports } from './checkpoint-exports.js';
import type { TrainerConfig } from './config.js';
import { openBackend } from './open-backend.js';
import { StepReplays } from './step-replays.js';
import { TrainerController } from './trainer.controller.js';
import { TrainingRuns } from './training-runs.js';

@Module({})
export class TrainerModule implements OnModuleDestroy {
  constructor(
    @Inject(TrainingRuns) private readonly runs: TrainingRuns,
    @Inject(CheckpointExports) private readonly exports: CheckpointExports,
    @Inject(StepReplays) private readonly replays: StepReplays,
  ) {}

  static with(this: void, config: TrainerConfig): DynamicModule {
    const exporting = {
      store: objectStoreConfig(config),
      ...(config.trainerThreads ? { threads: config.trainerThreads } : {}),
    };
    return {
      module: TrainerModule,
      controllers: [TrainerController],
      providers: [
        {
          provide: TrainingRuns,
          inject: [OBJECT_STORE, LOGGER],
          useFactory: async (store: ObjectStore, logger: Logger) =>
            new TrainingRuns(store, await openBackend(config, store, logger)),
        },
        {
          provide: CheckpointExports,
          inject: [OBJECT_STORE],
          useFactory: (store: ObjectStore) => new CheckpointExports(store, exporting),
        },
        { provide: StepReplays, useValue: new StepReplays(exporting) },
      ],
    };
  }

  /** Runs end with a checkpoint before the process does. */
  async onModuleDestroy(): Promise<void> {
    await Promise.all([this.runs.stop(), this.exports.stop(), this.replays.stop()]);
  }
}
