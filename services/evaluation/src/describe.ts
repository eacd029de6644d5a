import { loadCheckpoint } from '@medformer/checkpoint';
import { describeDatasets, type LoadedImages } from '@medformer/dataset';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import type { DataReportSpec } from '@medformer/schema';
import { embedImages } from '@medformer/ssl';
import { dataReportVersion } from '@medformer/telemetry';
import { useBackend } from '@medformer/tensorflow';
import type { EvaluationCalls, EvaluationProgress } from './evaluation-calls.js';

/** Makes or finds a data report; embeddings where the specification names a checkpoint. */
export async function describe(
  { store: storeConfig, spec, threads }: EvaluationCalls['describe']['input'],
  { signal, progress }: { signal: AbortSignal; progress(event: EvaluationProgress): void },
): Promise<EvaluationCalls['describe']['output']> {
  const store = await openObjectStore(storeConfig);
  const embed = embedder(store, spec, { signal, progress, ...(threads ? { threads } : {}) });
  const { hash } = await describeDatasets(store, spec, {
    codeVersion: dataReportVersion(),
    signal,
    onProgress: (done, total) => progress({ stage: 'reading', done, total }),
    ...(embed ? { embed } : {}),
  });
  return { report: hash };
}

/** The model is told nothing of an image but its pixels: a code would make images of one modality alike. */
function embedder(
  store: ObjectStore,
  { checkpoint }: DataReportSpec,
  context: { signal: AbortSignal; progress(event: EvaluationProgress): void; threads?: number },
): ((images: LoadedImages) => Promise<Float32Array[]>) | undefined {
  if (!checkpoint) return undefined;
  const { signal, progress, threads } = context;
  return async (images) => {
    const loaded = await loadCheckpoint(store, checkpoint);
    await useBackend(threads ? { threads } : {});
    const total = images.reduce((sum, { records }) => sum + records.length, 0);
    let done = 0;
    const onBatch = (batch: number) => {
      done += batch;
      progress({ stage: 'embedding', done, total });
    };
    return embedImages(loaded, images, { namesOf: () => ({}), signal, onBatch });
  };
}
