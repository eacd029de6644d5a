import { join, resolve } from 'node:path';
import { openObjectStore } from '@medformer/object-store';
import { LOGGER, objectStoreConfig } from '@medformer/rpc';
import { codeVersion, type Logger } from '@medformer/telemetry';
import { type DynamicModule, Inject, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { IngestionConfig } from './config.js';
import { DatasetCensus } from './dataset-census.js';
import { DirectUploads } from './direct-uploads.js';
import { IngestionController } from './ingestion.controller.js';
import { IngestionProcesses } from './ingestion-processes.js';
import { INGESTION_SETTINGS, type IngestionSettings } from './ingestion-settings.js';
import { pseudonymKey } from './pseudonym-key.js';
import { readDeidentification } from './read-deidentification.js';
import { UploadSpool } from './upload-spool.js';

const HOUR_MS = 60 * 60 * 1000;
const UPLOAD_LIFETIME_MS = 7 * 24 * HOUR_MS;

/** LOGGER and OBJECT_STORE of @medformer/rpc can be injected here without being imported. */
@Module({})
export class IngestionModule implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(IngestionProcesses) private readonly processes: IngestionProcesses,
    @Inject(UploadSpool) private readonly spool: UploadSpool,
    @Inject(DatasetCensus) private readonly census: DatasetCensus,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  static with(config: IngestionConfig): DynamicModule {
    const data = resolve(config.data);
    return {
      module: IngestionModule,
      controllers: [IngestionController],
      providers: [
        { provide: UploadSpool, useFactory: () => spoolOf(config, data) },
        { provide: INGESTION_SETTINGS, useFactory: () => settingsOf(config, data) },
        DatasetCensus,
        { provide: IngestionProcesses, useFactory: () => new IngestionProcesses() },
      ],
    };
  }

  async onModuleInit(): Promise<void> {
    await this.removeAbandoned();
    this.timer = setInterval(() => void this.removeAbandoned(), HOUR_MS).unref();
    void this.census.keepTaking();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    this.census.stop();
    await this.processes.stop();
  }

  /** A bucket that does not answer now is tidied the next time. */
  private async removeAbandoned(): Promise<void> {
    try {
      await this.spool.removeOlderThan(UPLOAD_LIFETIME_MS);
    } catch (err) {
      this.logger.warn({ err }, 'cannot remove abandoned uploads');
    }
  }
}

async function spoolOf(config: IngestionConfig, data: string): Promise<UploadSpool> {
  const { uploadStore: url } = config;
  const bucket = url === undefined ? undefined : await openObjectStore({ ...objectStoreConfig(config), url });
  return new UploadSpool(join(data, 'uploads'), bucket && DirectUploads.of(bucket));
}

async function settingsOf(config: IngestionConfig, data: string): Promise<IngestionSettings> {
  const key = await pseudonymKey(config.pseudonymKey, data);
  return {
    data,
    store: objectStoreConfig(config),
    pseudonymKey: key,
    deidentification: await readDeidentification(config.deidentificationFile, key),
    maxArchiveBytes: config.maxArchiveBytes,
    maxShardBytes: config.maxShardBytes,
    codeVersion: codeVersion(),
  };
}
