import { listDatasets } from '@medformer/dataset';
import type { ObjectStore } from '@medformer/object-store';
import { LOGGER, OBJECT_STORE } from '@medformer/rpc';
import type { Logger } from '@medformer/telemetry';
import { Inject, Injectable } from '@nestjs/common';
import { showDatasets } from './ingestion-metrics.js';

/** Others may write to the store too; it is listed this often, and after each ingest. */
const PERIOD_MS = 5 * 60_000;

/** Keeps the metrics of what stands in the store. */
@Injectable()
export class DatasetCensus {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** A store that does not answer leaves the metrics as they are. */
  async take(): Promise<void> {
    try {
      showDatasets(await listDatasets(this.store));
    } catch (err) {
      this.logger.warn({ err }, 'cannot count the data sets');
    }
  }

  async keepTaking(): Promise<void> {
    this.timer = setInterval(() => void this.take(), PERIOD_MS).unref();
    await this.take();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
