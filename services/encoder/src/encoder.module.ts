import type { ObjectStore } from '@medformer/object-store';
import { LOGGER, OBJECT_STORE, objectStoreConfig } from '@medformer/rpc';
import type { Logger } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Admission } from './batching/admission.js';
import { batchSizes } from './batching/batch-sizes.js';
import { type EncoderConfig, warmUpShapes } from './config.js';
import { Decoders } from './decoders.js';
import { EncoderController } from './encoder.controller.js';
import { showState } from './encoder-metrics.js';
import { ImageEncoder } from './image-encoder.js';
import { OpenInferenceController } from './open-inference/open-inference.controller.js';
import { ServingModels, type ServingModelsOptions } from './serving-models.js';

const CONFIG = Symbol('EncoderConfig');

@Module({})
export class EncoderModule implements OnModuleInit, OnModuleDestroy {
  private hideState = () => {};

  constructor(
    @Inject(ServingModels) private readonly serving: ServingModels,
    @Inject(Decoders) private readonly decoders: Decoders,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(CONFIG) private readonly config: EncoderConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  static with(this: void, config: EncoderConfig): DynamicModule {
    const { encoderMaxQueue: images, encoderMaxQueueBytes: bytes, encoderMaxPixels: maxPixels } = config;
    return {
      module: EncoderModule,
      controllers: [EncoderController, OpenInferenceController],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: Admission, useValue: new Admission({ images, bytes }) },
        { provide: Decoders, useValue: new Decoders({ processes: config.encoderDecoders, maxPixels }) },
        {
          provide: ServingModels,
          inject: [OBJECT_STORE, LOGGER],
          useFactory: (store: ObjectStore, logger: Logger) =>
            new ServingModels(store, optionsOf(config), logger),
        },
        {
          provide: ImageEncoder,
          inject: [ServingModels, Admission, Decoders],
          useFactory: (serving: ServingModels, admission: Admission, decoders: Decoders) =>
            new ImageEncoder(serving, admission, decoders, { maxPixels }),
        },
      ],
    };
  }

  /** The service listens while its model loads; it is ready when the model answers. */
  onModuleInit(): void {
    const { serving, admission } = this;
    this.hideState = showState({
      get waiting() {
        return admission.waiting;
      },
      get pendingBytes() {
        return admission.pendingBytes;
      },
      get modelsLoaded() {
        return serving.loaded;
      },
      get generation() {
        return serving.generation;
      },
      get drift() {
        return serving.drift;
      },
    });
    serving.restore(this.config.encoderCheckpoint).catch((err) => {
      this.logger.error({ err }, 'the model chosen last could not be loaded; LoadModel can choose another');
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.hideState();
    await Promise.all([this.serving.stop(), this.decoders.stop()]);
  }
}

function optionsOf(config: EncoderConfig): ServingModelsOptions {
  const { encoderMaxBatch: maxBatch, encoderMaxQueueDelayMs: maxDelayMs, encoderThreads: threads } = config;
  return {
    source: {
      store: objectStoreConfig(config),
      ...(threads ? { threads } : {}),
      warmUp: { sizes: batchSizes(maxBatch), shapes: warmUpShapes(config.encoderWarmUp) },
    },
    batching: { maxBatch, maxDelayMs },
    maxModels: config.encoderMaxModels,
    promotedOnly: config.encoderPromotedOnly,
    followMs: config.encoderFollowMs,
  };
}
