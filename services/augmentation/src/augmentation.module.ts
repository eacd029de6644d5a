import type { ObjectStore } from '@medformer/object-store';
import { OBJECT_STORE, objectStoreConfig } from '@medformer/rpc';
import { codeVersion } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import { AugmentationController } from './augmentation.controller.js';
import type { AugmentationConfig } from './config.js';
import { Fusions } from './fusions.js';

@Module({})
export class AugmentationModule implements OnModuleDestroy {
  constructor(@Inject(Fusions) private readonly fusions: Fusions) {}

  static with(this: void, config: AugmentationConfig): DynamicModule {
    const settings = {
      store: objectStoreConfig(config),
      codeVersion: codeVersion(),
      ...(config.augmentationThreads ? { threads: config.augmentationThreads } : {}),
    };
    return {
      module: AugmentationModule,
      controllers: [AugmentationController],
      providers: [
        {
          provide: Fusions,
          inject: [OBJECT_STORE],
          useFactory: (store: ObjectStore) => new Fusions(store, settings),
        },
      ],
    };
  }

  async onModuleDestroy(): Promise<void> {
    await this.fusions.stop();
  }
}
