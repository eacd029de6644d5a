// A real encoder on a real port over a store of its own, for specs that look at it from outside.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { writeCheckpoint } from '@medformer/checkpoint';
import { DataType } from '@medformer/gen/common';
import {
  AttendRequest,
  type AttendResponse,
  EncodeRequest,
  type EncodeResponse,
  EncoderServiceClient,
  type GetModelResponse,
  type ListModelsResponse,
  type LoadModelResponse,
  type Model,
  type RollBackResponse,
  type ServedModel,
  type SetDefaultModelResponse,
  type UnloadModelResponse,
} from '@medformer/gen/encoder';
import { INPUT_STATISTICS, Medformer } from '@medformer/medformer';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { baseConfig, type RunningService, runService } from '@medformer/rpc';
import { Rng, RunSpec, sha256 } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import { encoderConfig } from '../src/config.js';
import { encoder } from '../src/index.js';

export const CODES = { modalities: ['ct', 'mri'], bodyParts: ['head'], tasks: [] };

export interface Untrained {
  checkpoint: string;
  spec: RunSpec;
  /** The model of the checkpoint, in this process. */
  model: Medformer;
}

type Image = EncodeRequest['image'];
type Answer<Response> = (error: ServiceError | null, response: Response) => void;

export class EncoderUnderTest {
  service!: RunningService;
  client!: EncoderServiceClient;

  private constructor(
    private readonly folder: string,
    readonly store: ObjectStore,
  ) {}

  static async create(): Promise<EncoderUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), 'encoder-'));
    await useBackend();
    return new EncoderUnderTest(folder, await openObjectStore({ url: pathToFileURL(folder).href }));
  }

  get storeUrl(): string {
    return pathToFileURL(this.folder).href;
  }

  /** The service, started again, once it is ready. */
  async serve(settings: object = {}): Promise<void> {
    if (this.service) await this.stop();
    const config = baseConfig.extend(encoderConfig).parse({
      store: this.storeUrl,
      port: 0,
      metricsPort: 0,
      logLevel: 'fatal',
      encoderThreads: 1,
      // What the specs send most: the service is started again and again.
      encoderMaxBatch: 8,
      encoderWarmUp: '8x8x1',
      ...settings,
    });
    this.service = await runService('encoder', [encoder], config);
    this.client = new EncoderServiceClient(`127.0.0.1:${this.service.port}`, credentials.createInsecure());
    for (;;) {
      const loading = await this.getModel().then(
        () => false,
        ({ code }: ServiceError) => code === status.UNAVAILABLE,
      );
      if (!loading) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    if (this.service) await this.stop();
    await rm(this.folder, { recursive: true });
  }

  encode(
    image: Image,
    modality = '',
    bodyPart = '',
    more: Partial<EncodeRequest> = {},
  ): Promise<EncodeResponse> {
    const request = EncodeRequest.create({ image, modality, bodyPart, ...more });
    return answerOf<EncodeResponse>((answer) => this.client.encode(request, answer));
  }

  attention(request: Partial<AttendRequest>): Promise<AttendResponse> {
    return answerOf<AttendResponse>((answer) => this.client.attend(AttendRequest.create(request), answer));
  }

  async load(checkpoint: string, more: { standby?: boolean; alias?: string } = {}): Promise<Model> {
    const request = { checkpoint, standby: false, alias: '', ...more };
    return (await answerOf<LoadModelResponse>((answer) => this.client.loadModel(request, answer))).model!;
  }

  unload(model: string): Promise<unknown> {
    return answerOf<UnloadModelResponse>((answer) => this.client.unloadModel({ model }, answer));
  }

  async setDefault(model: string): Promise<Model> {
    return (
      await answerOf<SetDefaultModelResponse>((answer) => this.client.setDefaultModel({ model }, answer))
    ).model!;
  }

  async rollBack(): Promise<Model> {
    return (await answerOf<RollBackResponse>((answer) => this.client.rollBack({}, answer))).model!;
  }

  async listModels(): Promise<ServedModel[]> {
    return (await answerOf<ListModelsResponse>((answer) => this.client.listModels({}, answer))).models;
  }

  async getModel(): Promise<Model> {
    return (await answerOf<GetModelResponse>((answer) => this.client.getModel({}, answer))).model!;
  }

  /** A checkpoint as training writes one, of a network with random weights that saw images of these spatial shapes. */
  async untrained(seed: number, shapes?: number[][]): Promise<Untrained> {
    const spec = RunSpec.parse({
      dataset: sha256('dataset'),
      method: { name: 'simclr' },
      model: {
        width: 24,
        depth: 1,
        heads: 3,
        latents: 4,
        mlpRatio: 2,
        patch2d: 4,
        patch3d: 8,
        frequencies: 2,
      },
      steps: 1,
      seed,
      codeVersion: 'test',
    });
    const input = { ...INPUT_STATISTICS, ...(shapes ? { shapes } : {}) };
    const model = new Medformer(spec.model, CODES, [], { seed }, input);
    const checkpoint = await writeCheckpoint(this.store, spec, CODES, input, {
      step: 1,
      weights: model.parameters.toStored(),
      optimiser: new Map(),
      history: [{ step: 1, loss: 1, learningRate: 0, gradientNorm: 0 }],
    });
    return { checkpoint, spec, model };
  }

  private async stop(): Promise<void> {
    this.client.close();
    await this.service.close();
  }
}

export function tensor(shape: number[], dataType: DataType, data: Buffer): Image {
  return { $case: 'tensor', value: { shape, dataType, data } };
}

export function floats(shape: number[], values: number[]): Image {
  return tensor(shape, DataType.DATA_TYPE_FLOAT32, Buffer.from(Float32Array.from(values).buffer));
}

/** An image of noise, the same for the same shape and seed. */
export function pixels(shape: number[], dataType = DataType.DATA_TYPE_UINT8, seed = 0): Image {
  const rng = Rng.of('pixels', seed, ...shape);
  const values = Array.from({ length: shape.reduce((product, edge) => product * edge, 1) }, () =>
    rng.uniform(),
  );
  if (dataType === DataType.DATA_TYPE_FLOAT32) return floats(shape, values);
  if (dataType === DataType.DATA_TYPE_UINT8)
    return tensor(shape, dataType, Buffer.from(values.map((value) => value * 256)));
  return tensor(shape, dataType, Buffer.from(Uint16Array.from(values, (value) => value * 65_536).buffer));
}

export function worstDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Array.from(found).reduce((worst, value, at) => Math.max(worst, Math.abs(value - expected[at]!)), 0);
}

/** Of this test's own encoding processes. */
export function encodingProcesses(): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    return parent === process.pid && line.includes('encoding-process.js') ? [pid!] : [];
  });
}

export function answerOf<Response>(call: (answer: Answer<Response>) => unknown): Promise<Response> {
  return new Promise((resolve, reject) =>
    call((error, response) => (error ? reject(error) : resolve(response))),
  );
}
