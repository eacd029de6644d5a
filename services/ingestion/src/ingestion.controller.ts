import { getRunSpec, listRuns } from '@medformer/checkpoint';
import { progressEvents } from '@medformer/compute';
import {
  type DatasetDifference,
  listDatasets,
  removeDataset,
  resolveDataset,
  type StoredDataset,
} from '@medformer/dataset';
import {
  type BeginUploadRequest,
  type BeginUploadResponse,
  type CollectGarbageRequest,
  type CollectGarbageResponse,
  type DiffDatasetsRequest,
  type DiffDatasetsResponse,
  type GetDatasetRequest,
  type GetDatasetResponse,
  type IngestedDataset,
  IngestionServiceService,
  type IngestRequest,
  type IngestResponse,
  type ListDatasetsRequest,
  type ListDatasetsResponse,
  type RemoveDatasetRequest,
  type RemoveDatasetResponse,
  type RenderDatasetPageRequest,
  type RenderDatasetPageResponse,
  type UploadFileRequest,
  type UploadFileResponse,
  type VerifyDatasetRequest,
  type VerifyDatasetResponse,
} from '@medformer/gen/ingestion';
import { type ObjectStore, REFRESH_AGE_MS } from '@medformer/object-store';
import { byteChunks, type CallContext, OBJECT_STORE, RpcController } from '@medformer/rpc';
import { badInput, MedformerError } from '@medformer/schema';
import { Controller, Inject } from '@nestjs/common';
import { DatasetCensus } from './dataset-census.js';
import { datasetPageOptions } from './dataset-page-request.js';
import type { IngestionCalls, IngestionEvent, IngestionOutput, IngestionSource } from './ingestion-calls.js';
import { countUploaded } from './ingestion-metrics.js';
import { IngestionProcesses } from './ingestion-processes.js';
import { parseIngestRequest, phantomSource } from './ingestion-request.js';
import { INGESTION_SETTINGS, type IngestionSettings } from './ingestion-settings.js';
import { UploadSpool } from './upload-spool.js';

const MAX_CHUNK_BYTES = 1024 * 1024;
/** Ids of each list that a difference names unless asked for more. */
const DIFF_LIMIT = 100;
const HOUR_MS = 60 * 60 * 1000;
/** What is younger may be found there already by a writer, who then counts on it. */
const LEAST_AGE_HOURS = (2 * REFRESH_AGE_MS) / HOUR_MS;

@RpcController(IngestionServiceService)
@Controller()
export class IngestionController {
  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(INGESTION_SETTINGS) private readonly settings: IngestionSettings,
    @Inject(UploadSpool) private readonly spool: UploadSpool,
    @Inject(IngestionProcesses) private readonly processes: IngestionProcesses,
    @Inject(DatasetCensus) private readonly census: DatasetCensus,
  ) {}

  async beginUpload({ files, direct }: BeginUploadRequest): Promise<BeginUploadResponse> {
    const announced = files.map(({ path, sizeBytes, sha256 }) => ({
      path,
      bytes: Number(sizeBytes),
      sha256,
    }));
    const { id, missing } = await this.spool.begin(announced, { direct });
    return {
      uploadId: id,
      missing: missing.map(({ path, offset, putUrl = '' }) => ({
        path,
        offsetBytes: BigInt(offset),
        putUrl,
      })),
    };
  }

  async uploadFile(requests: AsyncIterable<UploadFileRequest>): Promise<UploadFileResponse> {
    const iterator = requests[Symbol.asyncIterator]();
    const { value: first } = await iterator.next();
    if (!first)
      throw new MedformerError('INVALID_ARGUMENT', 'expected a first message naming upload and file');
    const chunks = chunksOf(first, { [Symbol.asyncIterator]: () => iterator });
    const size = await this.spool.write(first.uploadId, first.path, Number(first.offsetBytes), chunks);
    return { sizeBytes: BigInt(size) };
  }

  async *ingest(request: IngestRequest, { signal }: CallContext): AsyncIterable<IngestResponse> {
    const asked = parseIngestRequest(request);
    const source = await this.sourceOf(request);
    const work = progressEvents<IngestionEvent, IngestionOutput>((emit) =>
      this.processes.ingest({ ...asked, ...this.settings, source }, { signal, onProgress: emit }),
    );
    for await (const part of work) {
      if ('output' in part) await this.census.take();
      yield 'event' in part ? toEvent(part.event) : toDataset(part.output);
    }
  }

  async listDatasets(_: ListDatasetsRequest): Promise<ListDatasetsResponse> {
    return { datasets: (await listDatasets(this.store)).map(toListed) };
  }

  async getDataset({ dataset }: GetDatasetRequest): Promise<GetDatasetResponse> {
    const { hash, manifest } = await resolveDataset(this.store, dataset);
    return { manifest: hash, record: manifest };
  }

  async diffDatasets(
    { before, after, limit }: DiffDatasetsRequest,
    { signal }: CallContext,
  ): Promise<DiffDatasetsResponse> {
    const references = { before, after };
    return toDifference(
      await this.processes.call('diff', { store: this.settings.store, references }, { signal }),
      limit || DIFF_LIMIT,
    );
  }

  async *verifyDataset(
    { dataset }: VerifyDatasetRequest,
    { signal }: CallContext,
  ): AsyncIterable<VerifyDatasetResponse> {
    const input = { store: this.settings.store, references: { dataset } };
    type Calls = IngestionCalls['verify'];
    const work = progressEvents<Calls['progress'], Calls['output']>((emit) =>
      this.processes.call('verify', input, { signal, onProgress: emit }),
    );
    for await (const part of work) yield 'event' in part ? toProgress(part.event) : toVerified(part.output);
  }

  async *renderDatasetPage(
    request: RenderDatasetPageRequest,
    { signal }: CallContext,
  ): AsyncIterable<RenderDatasetPageResponse> {
    const references = { dataset: request.dataset };
    const input = { store: this.settings.store, references, options: datasetPageOptions(request) };
    type Calls = IngestionCalls['page'];
    const work = progressEvents<Calls['progress'], Calls['output']>((emit) =>
      this.processes.call('page', input, { signal, onProgress: emit }),
    );
    for await (const part of work)
      yield* 'event' in part ? [toPageProgress(part.event)] : toPage(part.output);
  }

  async removeDataset({ dataset, force }: RemoveDatasetRequest): Promise<RemoveDatasetResponse> {
    const stored = await resolveDataset(this.store, dataset);
    const { name } = stored.manifest;
    if (!force) await refuseIfTrainedOn(this.store, name, stored.hash);
    await removeDataset(this.store, stored);
    await this.census.take();
    return { name, manifest: stored.hash };
  }

  async collectGarbage(
    { dryRun, olderThanHours }: CollectGarbageRequest,
    { signal }: CallContext,
  ): Promise<CollectGarbageResponse> {
    const hours = olderThanHours > 0n ? Number(olderThanHours) : LEAST_AGE_HOURS;
    if (hours < LEAST_AGE_HOURS) {
      const expected = `at least ${LEAST_AGE_HOURS}: what is younger may be named any moment`;
      throw badInput({ file: 'request', field: 'older_than_hours', expected, found: String(hours) });
    }
    const options = { dryRun, olderThanMs: hours * HOUR_MS };
    const { blobs, bytes, named, young } = await this.processes.call(
      'collect',
      { store: this.settings.store, options },
      { signal },
    );
    return { objects: BigInt(blobs), bytes: BigInt(bytes), named: BigInt(named), young: BigInt(young) };
  }

  private async sourceOf({ source }: IngestRequest): Promise<IngestionSource> {
    switch (source?.$case) {
      case 'phantom':
        return phantomSource(source.value, this.settings.data);
      case 'uploadId':
        return { kind: 'upload', ...(await this.spool.complete(source.value)) };
      default:
        throw badInput({
          file: 'request',
          field: 'source',
          expected: 'upload_id or phantom',
          found: 'neither',
        });
    }
  }
}

/** A run needs its data to go on, and to be evaluated on it. */
async function refuseIfTrainedOn(store: ObjectStore, name: string, hash: string): Promise<void> {
  const runs: string[] = [];
  for (const { run } of await listRuns(store)) {
    const { dataset, datasets = [] } = await getRunSpec(store, run);
    if ([dataset, ...datasets].includes(hash)) runs.push(run);
  }
  if (runs.length === 0) return;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `dataset ${name}@${hash}: ${runs.length} run${runs.length === 1 ? ' was' : 's were'} started on it, e.g. ${runs[0]}; force removes it all the same`,
  );
}

async function* chunksOf(
  first: UploadFileRequest,
  rest: AsyncIterable<UploadFileRequest>,
): AsyncIterable<Uint8Array> {
  yield checked(first);
  for await (const request of rest) yield checked(request);
}

function checked({ chunk }: UploadFileRequest): Uint8Array {
  if (chunk.length <= MAX_CHUNK_BYTES) {
    countUploaded(chunk.length);
    return chunk;
  }
  const expected = `at most ${MAX_CHUNK_BYTES} bytes`;
  throw badInput({ file: 'request', field: 'chunk', expected, found: `${chunk.length} bytes` });
}

function toEvent(event: IngestionEvent): IngestResponse {
  if (event.type === 'refused') return { event: { $case: 'refused', value: event.refusal } };
  const { done, total, ...progress } = event.progress;
  const value = { ...progress, done: BigInt(done), total: BigInt(total) };
  return { event: { $case: 'progress', value } };
}

function toDataset({ images, subjects, ...dataset }: IngestionOutput): IngestResponse {
  const value = { ...dataset, images: BigInt(images), subjects: BigInt(subjects) };
  return { event: { $case: 'dataset', value } };
}

function toDifference(
  { added, removed, changed, same, ...difference }: DatasetDifference,
  limit: number,
): DiffDatasetsResponse {
  const changedFields = new Map<string, bigint>();
  for (const field of changed.flatMap(({ fields }) => fields))
    changedFields.set(field, (changedFields.get(field) ?? 0n) + 1n);
  return {
    ...difference,
    added: BigInt(added.length),
    removed: BigInt(removed.length),
    changed: BigInt(changed.length),
    same: BigInt(same),
    addedIds: added.slice(0, limit),
    removedIds: removed.slice(0, limit),
    changedImages: changed.slice(0, limit),
    changedFields: Object.fromEntries(changedFields),
  };
}

function toProgress({ shards, total }: IngestionCalls['verify']['progress']): VerifyDatasetResponse {
  return { event: { $case: 'progress', value: { shards: BigInt(shards), total: BigInt(total) } } };
}

function toPageProgress({
  stage,
  done,
  total,
}: IngestionCalls['page']['progress']): RenderDatasetPageResponse {
  return { event: { $case: 'progress', value: { stage, done: BigInt(done), total: BigInt(total) } } };
}

/** The next piece is made once the caller has taken the one before. */
function* toPage({ html }: IngestionCalls['page']['output']): Iterable<RenderDatasetPageResponse> {
  for (const value of byteChunks(Buffer.from(html))) yield { event: { $case: 'htmlChunk', value } };
}

function toVerified({ shards, images, bytes, ...verification }: IngestionCalls['verify']['output']) {
  const counts = { shards: BigInt(shards), images: BigInt(images), bytes: BigInt(bytes) };
  return { event: { $case: 'verification' as const, value: { ...verification, ...counts } } };
}

function toListed({ hash, manifest: { name, census } }: StoredDataset): IngestedDataset {
  const total = (counts: Partial<Record<string, number>>) =>
    BigInt(Object.values(counts).reduce<number>((sum, count) => sum + (count ?? 0), 0));
  return {
    name,
    manifest: hash,
    images: total(census.images),
    subjects: total(census.subjects),
    alreadyPresent: true,
  };
}
