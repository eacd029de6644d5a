import { join, resolve } from 'node:path';
import { storeUrl } from '@medformer/rpc';
import { codeVersion } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { IngestionConfig } from './config.js';
import { DatasetCensus } from './dataset-census.js';
import { IngestionController } from './ingestion.controller.js';
import { IngestionProcesses } from './ingestion-processes.js';
import { INGESTION_SETTINGS, type IngestionSettings } from './ingestion-settings.js';
import { pseudonymKey } from './pseudonym-key.js';
import { readDeidentification } from './read-deidentification.js';
import { UploadSpool } from './upload-spool.js';

const UPLOAD_LIFETIME_MS = 7 * 24 * 60 * 60 * 1000;

/** LOGGER and OBJECT_STORE of @medformer/rpc can be injected here without being imported. */
@Module({})
export class IngestionModule implements OnModuleInit, OnModuleDestroy {
  constructor(
    @Inject(IngestionProcesses) private readonly processes: IngestionProcesses,
    @Inject(UploadSpool) private readonly spool: UploadSpool,
    @Inject(DatasetCensus) private readonly census: DatasetCensus,
  ) {}

  static with(config: IngestionConfig): DynamicModule {
    const data = resolve(config.data);
    return {
      module: IngestionModule,
      controllers: [IngestionController],
      providers: [
        { provide: UploadSpool, useValue: new UploadSpool(join(data, 'uploads')) },
        { provide: INGESTION_SETTINGS, useFactory: () => settingsOf(config, data) },
        DatasetCensus,
        { provide: IngestionProcesses, useFactory: () => new IngestionProcesses() },
      ],
    };
  }

  async onModuleInit(): Promise<void> {
    await this.spool.removeOlderThan(UPLOAD_LIFETIME_MS);
    void this.census.keepTaking();
  }

  async onModuleDestroy(): Promise<void> {
    this.census.stop();
    await this.processes.stop();
  }
}

async function settingsOf(config: IngestionConfig, data: string): Promise<IngestionSettings> {
  const key = await pseudonymKey(config.pseudonymKey, data);
  return {
    data,
    store: { url: storeUrl(config), accessKey: config.storeAccessKey, secretKey: config.storeSecretKey },
    pseudonymKey: key,
    deidentification: await readDeidentification(config.deidentificationFile, key),
    maxArchiveBytes: config.maxArchiveBytes,
    maxShardBytes: config.maxShardBytes,
    codeVersion: codeVersion(),
  };
}
