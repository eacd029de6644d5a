import { progressEvents } from '@medformer/compute';
import { listDatasets, resolveDataset, type StoredDataset } from '@medformer/dataset';
import {
  type BeginUploadRequest,
  type BeginUploadResponse,
  type GetDatasetRequest,
  type GetDatasetResponse,
  type IngestedDataset,
  IngestionServiceService,
  type IngestRequest,
  type IngestResponse,
  type ListDatasetsRequest,
  type ListDatasetsResponse,
  type UploadFileRequest,
  type UploadFileResponse,
} from '@medformer/gen/ingestion';
import type { ObjectStore } from '@medformer/object-store';
import { type CallContext, OBJECT_STORE, RpcController } from '@medformer/rpc';
import { badInput, MedformerError } from '@medformer/schema';
import { Controller, Inject } from '@nestjs/common';
import { DatasetCensus } from './dataset-census.js';
import type { IngestionEvent, IngestionOutput, IngestionSource } from './ingestion-calls.js';
import { countUploaded } from './ingestion-metrics.js';
import { IngestionProcesses } from './ingestion-processes.js';
import { parseIngestRequest, phantomSource } from './ingestion-request.js';
import { INGESTION_SETTINGS, type IngestionSettings } from './ingestion-settings.js';
import { UploadSpool } from './upload-spool.js';

const MAX_CHUNK_BYTES = 1024 * 1024;

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

  async beginUpload({ files }: BeginUploadRequest): Promise<BeginUploadResponse> {
    const announced = files.map(({ path, sizeBytes, sha256 }) => ({
      path,
      bytes: Number(sizeBytes),
      sha256,
    }));
    const { id, missing } = await this.spool.begin(announced);
    return {
      uploadId: id,
      missing: missing.map(({ path, offset }) => ({ path, offsetBytes: BigInt(offset) })),
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
