import { serveCompute } from '@medformer/compute';
import { ingest } from './ingest.js';
import type { IngestionCalls } from './ingestion-calls.js';

serveCompute<IngestionCalls>({ ingest });
