import { diffDatasets, resolveDataset, verifyDataset } from '@medformer/dataset';
import { collectGarbage, openObjectStore } from '@medformer/object-store';
import type { IngestionCalls } from './ingestion-calls.js';

type Calls = Omit<IngestionCalls, 'ingest' | 'page'>;
type Answer<Name extends keyof Calls> = Promise<Calls[Name]['output']>;

export async function diff(
  { store: config, references }: Calls['diff']['input'],
  { signal }: { signal: AbortSignal },
): Answer<'diff'> {
  const store = await openObjectStore(config);
  const [before, after] = [
    await resolveDataset(store, references.before),
    await resolveDataset(store, references.after),
  ];
  return diffDatasets(store, before, after, signal);
}

export async function verify(
  { store: config, references }: Calls['verify']['input'],
  { signal, progress }: { signal: AbortSignal; progress(event: Calls['verify']['progress']): void },
): Answer<'verify'> {
  const store = await openObjectStore(config);
  const dataset = await resolveDataset(store, references.dataset);
  const total = dataset.manifest.shards.length;
  const onShard = (shards: number) => progress({ shards, total });
  return { ...(await verifyDataset(store, dataset, { onShard, signal })), manifest: dataset.hash };
}

export async function collect(
  { store, options }: Calls['collect']['input'],
  { signal }: { signal: AbortSignal },
): Answer<'collect'> {
  return collectGarbage(await openObjectStore(store), { ...options, signal });
}
