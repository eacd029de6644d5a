import { getFusionQuality, resolveDataset } from '@medformer/dataset';
import { getRecord, type ObjectStore, openObjectStore } from '@medformer/object-store';
import { type ReportInput, renderReport, type ShownFusions } from '@medformer/report';
import { CheckpointRecord, MedformerError, type ScoreReport } from '@medformer/schema';
import type { EvaluationCalls } from './evaluation-calls.js';
import { getReport, type StoredReport } from './report-store.js';
import { samplePictures } from './sample-pictures.js';

/** A stored report as a page, with the records of the checkpoints and the data set that it names. */
export async function render({
  store: storeConfig,
  report: address,
  samples,
  fusions,
}: EvaluationCalls['render']['input']): Promise<EvaluationCalls['render']['output']> {
  const store = await openObjectStore(storeConfig);
  const shown = await samplePictures(samples, 'samples');
  const stored = await getReport(store, address);
  return {
    html: await pageOf(store, stored, {
      samples: shown,
      ...(fusions ? { fusions: await shownFusions(store, fusions) } : {}),
    }),
  };
}

/** The page of a report, with pictures where there are any. */
export async function pageOf(
  store: ObjectStore,
  { hash, report }: StoredReport,
  pictures: Pick<ReportInput, 'samples' | 'fusions'> = {},
): Promise<string> {
  const { manifest } = await resolveDataset(store, report.spec.dataset);
  const checkpoints = await checkpointRecords(store, report);
  return renderReport({ hash, report, dataset: manifest, checkpoints, ...pictures });
}

async function shownFusions(
  store: ObjectStore,
  { qualities, panels }: NonNullable<EvaluationCalls['render']['input']['fusions']>,
): Promise<ShownFusions> {
  return {
    qualities: await Promise.all(qualities.map((address) => getFusionQuality(store, address))),
    panels: await samplePictures(panels, 'fusions.panels'),
  };
}

/** The records that are still there: a run prunes its old checkpoints, and the page then shows their address alone. */
async function checkpointRecords(
  store: ObjectStore,
  { rows }: ScoreReport,
): Promise<Map<string, CheckpointRecord>> {
  const records = new Map<string, CheckpointRecord>();
  for (const checkpoint of new Set(rows.flatMap((row) => row.checkpoints))) {
    const record = await getRecord(store, CheckpointRecord, checkpoint, 'checkpoint').catch((thrown) => {
      if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND') return undefined;
      throw thrown;
    });
    if (record) records.set(checkpoint, record);
  }
  return records;
}
