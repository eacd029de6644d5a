import { serveCompute } from '@medformer/compute';
import { collect, diff, verify } from './dataset-care.js';
import { page } from './dataset-page.js';
import { ingest } from './ingest.js';
import type { IngestionCalls } from './ingestion-calls.js';

serveCompute<IngestionCalls>({ ingest, diff, verify, collect, page });
