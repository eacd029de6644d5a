import { type IngestedDataset, IngestionServiceService, type IngestRequest } from '@medformer/gen/ingestion';
import { MedformerError } from '@medformer/schema';
import type { Context } from './context.js';
import { seconds } from './terminal.js';

export interface IngestOutcome extends IngestedDataset {
  refused: { path: string; reason: string }[];
}

/** Ingests with live progress. Leaving early (Ctrl-C) stops the work and leaves no dataset. */
export async function ingest(
  { connection, terminal }: Context,
  request: IngestRequest,
): Promise<IngestOutcome> {
  const refused: IngestOutcome['refused'] = [];
  let dataset: IngestedDataset | undefined;
  const progress = terminal.progress(`ingest ${request.name}`);
  try {
    for await (const { event } of connection.serverStream(IngestionServiceService.ingest, request)) {
      if (event?.$case === 'progress') {
        const { stage, done, total, unit, perSecond, etaSeconds } = event.value;
        const detail = `${unit} · ${stage} · ${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s · ETA ${seconds(etaSeconds)}`;
        progress.update(Number(done), Number(total), detail);
      } else if (event?.$case === 'refused') {
        refused.push(event.value);
      } else if (event?.$case === 'dataset') {
        dataset = event.value;
      }
    }
  } finally {
    progress.stop();
  }
  for (const file of refused) terminal.note(`refused ${file.path}: ${file.reason}`);
  if (dataset === undefined) throw new MedformerError('DATA_LOSS', 'the service ended without a dataset');
  return { ...dataset, refused };
}
