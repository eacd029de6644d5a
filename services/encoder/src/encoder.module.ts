import type { ObjectStore } from '@medformer/object-store';
import { LOGGER, OBJECT_STORE, objectStoreConfig } from '@medformer/rpc';
import type { Logger } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { EncoderConfig } from './config.js';
import { EncoderController } from './encoder.controller.js';
import { ServingModel } from './serving-model.js';

const CONFIG = Symbol('EncoderConfig');

@Module({})
export class EncoderModule implements OnModuleInit, OnModuleDestroy {
  constructor(
    @Inject(ServingModel) private readonly serving: ServingModel,
    @Inject(CONFIG) private readonly config: EncoderConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  static with(this: void, config: EncoderConfig): DynamicModule {
    const options = {
      store: objectStoreConfig(config),
      ...(config.encoderThreads ? { threads: config.encoderThreads } : {}),
    };
    return {
      module: EncoderModule,
      controllers: [EncoderController],
      providers: [
        { provide: CONFIG, useValue: config },
        {
          provide: ServingModel,
          inject: [OBJECT_STORE, LOGGER],
          useFactory: (store: ObjectStore, logger: Logger) => new ServingModel(store, options, logger),
        },
      ],
    };
  }

  /** The service listens while its model loads; it is ready when the model answers. */
  onModuleInit(): void {
    this.serving.restore(this.config.encoderCheckpoint).catch((err) => {
      this.logger.error({ err }, 'the model chosen last could not be loaded; LoadModel can choose another');
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.serving.stop();
  }
}
