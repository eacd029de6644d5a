import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import {
  type BeginUploadRequest,
  type BeginUploadResponse,
  type CollectGarbageRequest,
  type CollectGarbageResponse,
  type DatasetVerification,
  type DiffDatasetsRequest,
  type DiffDatasetsResponse,
  type GetDatasetRequest,
  type GetDatasetResponse,
  type IngestedDataset,
  IngestionServiceClient,
  type IngestOptions,
  type IngestRequest,
  type IngestResponse,
  type ListDatasetsRequest,
  type ListDatasetsResponse,
  type PhantomCohort,
  type RemoveDatasetRequest,
  type RemoveDatasetResponse,
  type VerifyDatasetResponse,
} from '@medformer/gen/ingestion';
import { freePort } from '@medformer/object-store/testing';
import { announce, type Files } from './files.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const CHUNK_BYTES = 1024 * 1024;

/** The usual shapes. */
export const PHANTOM: PhantomCohort = {
  seed: 0n,
  patients: 0,
  volumePatients: 0,
  groups: undefined,
  imageShape: [],
  volumeShape: [],
};

export const NO_OPTIONS: IngestOptions = {
  description: '',
  modality: '',
  bodyPart: '',
  splitSeed: 0n,
  valFraction: 0,
  testFraction: 0,
  skipBadFiles: false,
  allowMd5Mismatch: false,
  normalisation: {},
  resampleShape: [],
  resampleSpacingMm: [],
};

export interface Ingested {
  dataset: IngestedDataset | undefined;
  events: IngestResponse[];
}

interface UnaryCalls {
  beginUpload: [BeginUploadRequest, BeginUploadResponse];
  listDatasets: [ListDatasetsRequest, ListDatasetsResponse];
  getDataset: [GetDatasetRequest, GetDatasetResponse];
  diffDatasets: [DiffDatasetsRequest, DiffDatasetsResponse];
  removeDataset: [RemoveDatasetRequest, RemoveDatasetResponse];
  collectGarbage: [CollectGarbageRequest, CollectGarbageResponse];
}

/** Starts the built service as its own process; it listens when this resolves. */
export async function startService(data: string, env: Record<string, string> = {}): Promise<Service> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const argv = ['--data', data, '--port', `${port}`, '--metrics-port', `${metricsPort}`];
  const settings = {
    MEDFORMER_PSEUDONYM_KEY: 'the same key in every place',
    MEDFORMER_MAX_SHARD_BYTES: String(CHUNK_BYTES),
    MEDFORMER_CODE_VERSION: 'of the spec',
  };
  // IPC: the service goes when this test run goes, however it goes.
  const child = fork(MAIN, argv, {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, ...settings, ...env },
  });
  const service = new Service(data, child, port);
  while (
    !(await fetch(`http://127.0.0.1:${metricsPort}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null)
      throw new Error(`the service ended with ${child.exitCode}: ${service.log()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return service;
}

/** A running service as its callers see it. */
export class Service {
  readonly client: IngestionServiceClient;
  private lines = '';

  constructor(
    readonly data: string,
    readonly process: ChildProcess,
    port: number,
  ) {
    this.client = new IngestionServiceClient(`localhost:${port}`, credentials.createInsecure());
    for (const output of [process.stdout, process.stderr]) {
      output?.on('data', (text: Buffer) => {
        this.lines += text.toString();
      });
    }
  }

  log(): string {
    return this.lines;
  }

  call<Name extends keyof UnaryCalls>(
    name: Name,
    request: UnaryCalls[Name][0],
  ): Promise<UnaryCalls[Name][1]> {
    type Call = (
      request: UnaryCalls[Name][0],
      answer: (error: ServiceError | null, response: UnaryCalls[Name][1]) => void,
    ) => void;
    const call = (this.client[name] as unknown as Call).bind(this.client);
    return new Promise((resolve, reject) => {
      call(request, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }

  /** Uploads what the service lacks and answers the upload's id. */
  async upload(files: Files): Promise<string> {
    const announced = Object.entries(files).map(([path, bytes]) => announce(path, bytes));
    const { uploadId, missing } = await this.call('beginUpload', { direct: false, files: announced });
    for (const { path, offsetBytes } of missing) {
      const rest = files[path]!.subarray(Number(offsetBytes));
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < rest.length; at += CHUNK_BYTES) chunks.push(rest.subarray(at, at + CHUNK_BYTES));
      await this.send(uploadId, path, Number(offsetBytes), chunks);
    }
    return uploadId;
  }

  send(uploadId: string, path: string, offset: number, chunks: Uint8Array[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = this.client.uploadFile((error) => (error ? reject(error) : resolve()));
      call.write({ uploadId, path, offsetBytes: BigInt(offset), chunk: Buffer.alloc(0) });
      for (const chunk of chunks)
        call.write({ uploadId: '', path: '', offsetBytes: 0n, chunk: Buffer.from(chunk) });
      call.end();
    });
  }

  async stream(request: IngestRequest): Promise<Ingested> {
    const events: IngestResponse[] = [];
    for await (const event of this.client.ingest(request)) events.push(event as IngestResponse);
    const last = events.at(-1)?.event;
    return { dataset: last?.$case === 'dataset' ? last.value : undefined, events };
  }

  async verify(dataset: string): Promise<{ shards: bigint[]; verification: DatasetVerification }> {
    const shards: bigint[] = [];
    for await (const message of this.client.verifyDataset({ dataset })) {
      const { event } = message as VerifyDatasetResponse;
      if (event?.$case === 'verification') return { shards, verification: event.value };
      if (event?.$case === 'progress') shards.push(event.value.shards);
    }
    throw new Error('no verification');
  }

  async ingest(name: string, files: Files, options: Partial<IngestOptions> = {}): Promise<Ingested> {
    return this.stream({
      ...uploaded(name, await this.upload(files)),
      options: { ...NO_OPTIONS, ...options },
    });
  }

  async stop(): Promise<void> {
    this.client.close();
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGTERM');
    await once(this.process, 'exit');
  }
}

export function uploaded(name: string, uploadId: string): IngestRequest {
  return { name, source: { $case: 'uploadId', value: uploadId }, options: NO_OPTIONS };
}

/** The pid of a process's one child; waits until there is one. */
export async function childOf(pid: number): Promise<number> {
  for (;;) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    const [child] = children.match(/\d+/g) ?? [];
    if (child) return Number(child);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
