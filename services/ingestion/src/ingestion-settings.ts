import type { IngestionInput } from './ingestion-calls.js';

/** What an ingest takes from the service's configuration, and the folder for local state. */
export interface IngestionSettings
  extends Pick<
    IngestionInput,
    'store' | 'pseudonymKey' | 'deidentification' | 'maxArchiveBytes' | 'maxShardBytes' | 'codeVersion'
  > {
  data: string;
}

/** Injection token. */
export const INGESTION_SETTINGS = Symbol('IngestionSettings');
