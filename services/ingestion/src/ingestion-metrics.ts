import type { StoredDataset } from '@medformer/dataset';
import { toMedformerError } from '@medformer/schema';
import { Counter, Gauge, metrics } from '@medformer/telemetry';
import type { IngestionEvent } from './ingestion-calls.js';

const registers = [metrics];

/** `present`: the same files under the same options were a data set already. */
const OUTCOMES = ['created', 'present', 'refused', 'cancelled', 'failed'] as const;
const REASONS = ['bad-file', 'bad-input', 'corrupt', 'unsupported', 'busy'] as const;

const ingests = new Counter({
  name: 'medformer_ingestion_ingests_total',
  help: 'Ingests that ended: created, present (nothing to do), refused (the caller can help it), cancelled or failed.',
  labelNames: ['outcome'],
  registers,
});
const refusals = new Counter({
  name: 'medformer_ingestion_refusals_total',
  help: 'Refused ingests by reason, and files left out as told (bad-file).',
  labelNames: ['reason'],
  registers,
});
const images = new Counter({
  name: 'medformer_ingestion_images_total',
  help: 'Images written into data sets.',
  registers,
});
const bytes = new Counter({
  name: 'medformer_ingestion_upload_bytes_total',
  help: 'Bytes of files received from callers.',
  registers,
});
const underWay = new Gauge({
  name: 'medformer_ingestion_under_way',
  help: 'Ingests under way; more than four are refused as busy.',
  registers,
});
const datasets = new Gauge({
  name: 'medformer_dataset_count',
  help: 'Data sets in the store, the newest version of each name.',
  registers,
});
const datasetImages = new Gauge({
  name: 'medformer_dataset_images',
  help: 'Images of the data sets in the store by modality; of more than 20 modalities the rest is `other`.',
  labelNames: ['modality'],
  registers,
});
const datasetBytes = new Gauge({
  name: 'medformer_dataset_bytes',
  help: 'Bytes of the shards of the data sets in the store.',
  registers,
});

// From the beginning, so that a rate sees the first one.
for (const outcome of OUTCOMES) ingests.inc({ outcome }, 0);
for (const reason of REASONS) refusals.inc({ reason }, 0);

const MOST_MODALITIES = 20;

/** Counts an ingest from its begin to its end. */
export async function countIngest<Output extends { alreadyPresent: boolean }>(
  run: (onEvent: (event: IngestionEvent) => void) => Promise<Output>,
): Promise<Output> {
  underWay.inc();
  let written = 0;
  try {
    const output = await run((event) => {
      if (event.type === 'refused') refusals.inc({ reason: 'bad-file' });
      else if (event.progress.stage === 'write') {
        images.inc(event.progress.done - written);
        written = event.progress.done;
      }
    });
    ingests.inc({ outcome: output.alreadyPresent ? 'present' : 'created' });
    return output;
  } catch (thrown) {
    const { outcome, reason } = endOf(thrown);
    ingests.inc({ outcome });
    if (reason) refusals.inc({ reason });
    throw thrown;
  } finally {
    underWay.dec();
  }
}

export function countUploaded(size: number): void {
  bytes.inc(size);
}

/** @param stored every version, oldest first within a name */
export function showDatasets(stored: readonly StoredDataset[]): void {
  const newest = [...new Map(stored.map(({ manifest }) => [manifest.name, manifest])).values()];
  const byModality = new Map<string, number>();
  for (const { census } of newest)
    for (const [modality, count] of Object.entries(census.modalities))
      byModality.set(modality, (byModality.get(modality) ?? 0) + count);
  const sorted = [...byModality].sort(([, x], [, y]) => y - x);
  const rest = sorted.slice(MOST_MODALITIES).reduce((sum, [, count]) => sum + count, 0);
  datasetImages.reset();
  for (const [modality, count] of sorted.slice(0, MOST_MODALITIES)) datasetImages.set({ modality }, count);
  if (rest > 0) datasetImages.set({ modality: 'other' }, rest);
  datasets.set(newest.length);
  datasetBytes.set(newest.flatMap(({ shards }) => shards).reduce((sum, shard) => sum + shard.bytes, 0));
}

function endOf(thrown: unknown): {
  outcome: (typeof OUTCOMES)[number];
  reason?: (typeof REASONS)[number];
} {
  switch (toMedformerError(thrown).code) {
    case 'CANCELLED':
    case 'DEADLINE_EXCEEDED':
      return { outcome: 'cancelled' };
    case 'INVALID_ARGUMENT':
    case 'FAILED_PRECONDITION':
    case 'NOT_FOUND':
      return { outcome: 'refused', reason: 'bad-input' };
    case 'DATA_LOSS':
      return { outcome: 'refused', reason: 'corrupt' };
    case 'UNIMPLEMENTED':
      return { outcome: 'refused', reason: 'unsupported' };
    case 'RESOURCE_EXHAUSTED':
      return { outcome: 'refused', reason: 'busy' };
    default:
      return { outcome: 'failed' };
  }
}
