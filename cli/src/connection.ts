import { type CallOptions, type Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import { type ChannelSettings, openChannel } from './channel.js';
import { fromServiceError } from './failure.js';

export const STAGES = ['ingestion', 'augmentation', 'trainer', 'evaluation', 'encoder'] as const;
export type Stage = (typeof STAGES)[number];
export type Addresses = Record<Stage, string>;

export const DEFAULT_ADDRESS = 'localhost:50050';

/** The codec of one rpc, as the generated service definitions carry it. */
export interface Method<Request, Response> {
  path: string;
  requestSerialize(request: Request): Buffer;
  responseDeserialize(bytes: Buffer): Response;
}

export interface ConnectionOptions {
  /** Deadline of every call, streams included. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  channel?: ChannelSettings | undefined;
}

/** Deadline of a unary call when the caller names none. Streams run until they are done. */
const UNARY_TIMEOUT_MS = 30_000;

/** `MEDFORMER_ADDRESS` for all stages; `MEDFORMER_<STAGE>_ADDRESS` for one; `explicit` beats the former. */
export function addressesFromEnv(explicit: string | undefined, env: NodeJS.ProcessEnv): Addresses {
  const all = explicit ?? env.MEDFORMER_ADDRESS ?? DEFAULT_ADDRESS;
  const entries = STAGES.map((stage) => [stage, env[`MEDFORMER_${stage.toUpperCase()}_ADDRESS`] ?? all]);
  return Object.fromEntries(entries) as Addresses;
}

/** Calls to the five services, each on its stage's address. Every failure comes as a MedformerError. */
export class Connection {
  readonly #clients = new Map<string, Client>();

  constructor(
    readonly addresses: Addresses,
    private readonly options: ConnectionOptions = {},
  ) {}

  get signal(): AbortSignal | undefined {
    return this.options.signal;
  }

  /** The same addresses without the caller's signal: for the calls that clean up after an interrupt. */
  afterInterrupt(): Connection {
    return new Connection(this.addresses, { timeoutMs: UNARY_TIMEOUT_MS, channel: this.options.channel });
  }

  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: ConnectionOptions = {},
  ): Promise<Response> {
    const { client, address } = this.#clientOf(method.path);
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        this.#callOptions(options.timeoutMs ?? this.options.timeoutMs ?? UNARY_TIMEOUT_MS),
        (error: ServiceError | null, response?: Response) => {
          release();
          if (error !== null) reject(fromServiceError(error, address));
          else resolve(response as Response);
        },
      );
      const release = onAbort(this.options.signal, () => call.cancel());
    });
  }

  /** Leaving the loop early cancels the call, and with it the work behind it. */
  async *serverStream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
  ): AsyncGenerator<Response, void, undefined> {
    const { client, address } = this.#clientOf(method.path);
    const call = client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      this.#callOptions(this.options.timeoutMs),
    );
    // The cancellation below reports itself as an error that nobody waits for.
    call.on('error', () => {});
    const release = onAbort(this.options.signal, () => call.cancel());
    try {
      for await (const response of call) yield response as Response;
    } catch (error) {
      throw fromServiceError(error as ServiceError, address);
    } finally {
      release();
      call.cancel();
    }
  }

  /** Writes as fast as the peer reads: one message waits in the stream, not the whole file. */
  async clientStream<Request, Response>(
    method: Method<Request, Response>,
    requests: AsyncIterable<Request>,
  ): Promise<Response> {
    const { client, address } = this.#clientOf(method.path);
    let finished = false;
    let settle: { resolve: (response: Response) => void; reject: (error: unknown) => void };
    const answer = new Promise<Response>((resolve, reject) => {
      settle = { resolve, reject };
    });
    answer.catch(() => {});
    const call = client.makeClientStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      new Metadata(),
      this.#callOptions(this.options.timeoutMs),
      (error: ServiceError | null, response?: Response) => {
        finished = true;
        if (error !== null) settle.reject(fromServiceError(error, address));
        else settle.resolve(response as Response);
      },
    );
    const release = onAbort(this.options.signal, () => call.cancel());
    try {
      for await (const request of requests) {
        if (finished) break;
        if (!call.write(request)) {
          await Promise.race([new Promise((resolve) => call.once('drain', resolve)), answer]);
        }
      }
      call.end();
      return await answer;
    } catch (error) {
      call.cancel();
      throw error;
    } finally {
      release();
    }
  }

  /** The channel to a stage, for protocols that every service speaks (health). */
  clientOf(stage: Stage): Client {
    const address = this.addresses[stage];
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const client = openChannel(address, this.options.channel ?? {});
    this.#clients.set(address, client);
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #clientOf(path: string): { client: Client; address: string } {
    const stage = /^\/medformer\.(\w+)\./.exec(path)?.[1] as Stage;
    return { client: this.clientOf(stage), address: this.addresses[stage] };
  }

  #callOptions(timeoutMs: number | undefined): CallOptions {
    return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  }
}

function onAbort(signal: AbortSignal | undefined, cancel: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  return () => signal.removeEventListener('abort', cancel);
}
