// An encoder as a process of its own, as each pod of a fleet runs one.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { credentials } from '@grpc/grpc-js';
import {
  EncodeRequest,
  type EncodeResponse,
  EncoderServiceClient,
  type ListModelsResponse,
  LoadModelRequest,
} from '@medformer/gen/encoder';
import { freePort } from '@medformer/object-store/testing';
import { answerOf, pixels } from './encoder-service.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const START_MS = 60_000;

export class EncoderProcess {
  private readonly client: EncoderServiceClient;

  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    private readonly metricsPort: number,
  ) {
    this.client = new EncoderServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  /** Resolves when it is ready. */
  static async start(store: string, settings: Record<string, string>): Promise<EncoderProcess> {
    const [port, metricsPort] = [await freePort(), await freePort()];
    const all = {
      store,
      port,
      'metrics-port': metricsPort,
      'probe-port': 0,
      'log-level': 'fatal',
      ...settings,
    };
    const argv = Object.entries(all).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const child = fork(MAIN, argv, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const encoder = new EncoderProcess(child, port, metricsPort);
    const until = Date.now() + START_MS;
    while (!(await encoder.isReady())) {
      if (encoder.hasEnded || Date.now() > until) {
        await encoder.stop();
        throw new Error('the encoder did not start');
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return encoder;
  }

  private get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get pid(): number {
    return this.child.pid!;
  }

  isReady(): Promise<boolean> {
    return fetch(`http://127.0.0.1:${this.metricsPort}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  /** The checkpoint that answered. */
  async encode(model = ''): Promise<string> {
    const request = EncodeRequest.create({ image: pixels([8, 8, 1]), model });
    const { lineage } = await answerOf<EncodeResponse>((answer) => this.client.encode(request, answer));
    return lineage!.checkpoint;
  }

  /** Checkpoint of the default, and of the default before it. */
  async places(): Promise<(string | undefined)[]> {
    const { models } = await answerOf<ListModelsResponse>((answer) => this.client.listModels({}, answer));
    const places = [models.find(({ isDefault }) => isDefault), models.find(({ isPrevious }) => isPrevious)];
    return places.map((found) => found?.model?.lineage?.checkpoint);
  }

  load(checkpoint: string, more: Partial<LoadModelRequest> = {}): Promise<unknown> {
    const request = LoadModelRequest.create({ checkpoint, ...more });
    return answerOf((answer) => this.client.loadModel(request, answer));
  }

  setDefault(model: string): Promise<unknown> {
    return answerOf((answer) => this.client.setDefaultModel({ model }, answer));
  }

  rollBack(): Promise<unknown> {
    return answerOf((answer) => this.client.rollBack({}, answer));
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.metricsPort}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  async stop(): Promise<void> {
    this.client.close();
    if (this.hasEnded) return;
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
  }
}
