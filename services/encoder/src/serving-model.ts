import { referFor, release } from '@medformer/checkpoint';
import { type ComputeProcess, startComputeProcess } from '@medformer/compute';
import type { ObjectStore, ObjectStoreConfig } from '@medformer/object-store';
import { ContentHash, MedformerError, parseRecord, toMedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import { z } from 'zod';
import type {
  Attention,
  Encoding,
  EncodingCalls,
  EncodingRequest,
  ModelDescription,
  ModelSource,
} from './encoding-calls.js';

/** Where the choice of the served checkpoint outlives the process. */
const CHOICE_KEY = 'serving/encoder.json';
/** As what the encoder refers to the checkpoint, so that its run keeps it. */
const CHOICE = 'encoder';
const Choice = z.object({ checkpoint: ContentHash });

export interface ServingModelOptions {
  store: ObjectStoreConfig;
  threads?: number;
}

interface Serving {
  process: ComputeProcess<EncodingCalls>;
  source: ModelSource;
  description: ModelDescription;
  callsUnderWay: Set<Promise<unknown>>;
}

/** What every answer says beside its own. */
interface Answer {
  description: ModelDescription;
}

/**
 * The checkpoint that answers. Another one is loaded and warmed up in a process of its own beside it, then takes over;
 * calls under way finish on the old process before that ends. A process that died is started and loaded again by the
 * next call, and the calls that it took with it are made again.
 */
export class ServingModel {
  private serving: Serving | undefined;
  private loading: Promise<unknown> = Promise.resolve();
  private starting = true;
  /** Calls that are made again, one after the other. */
  private repeating: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: ObjectStore,
    private readonly options: ServingModelOptions,
    private readonly logger: Logger,
  ) {}

  /** Loads the configured checkpoint, or the one chosen last; none is no failure. */
  async restore(configured?: string): Promise<void> {
    try {
      const checkpoint = configured ?? (await this.lastChoice());
      if (checkpoint) await this.load(checkpoint);
    } finally {
      this.starting = false;
    }
  }

  /** Ready once the model of the start, if there is one, answers. */
  ready(): void {
    if (this.starting) throw new MedformerError('UNAVAILABLE', 'the encoder is loading its model');
  }

  /** @throws MedformerError FAILED_PRECONDITION before any model is loaded, UNAVAILABLE while the first one is */
  get description(): ModelDescription {
    return this.current.description;
  }

  /** Loads one checkpoint after another, in the order of the calls. */
  load(checkpoint: string): Promise<ModelDescription> {
    const done = this.loading.then(() => this.replace(checkpoint));
    this.loading = done.catch(() => undefined);
    return done;
  }

  encode(request: EncodingRequest, signal: AbortSignal): Promise<Encoding & Answer> {
    return this.answer((serving) =>
      this.askTwice(
        serving,
        () => serving.process.call('encode', { model: serving.source, ...request }, { signal }),
        signal,
      ),
    );
  }

  attend(request: EncodingRequest, layers: string[], signal: AbortSignal): Promise<Attention & Answer> {
    return this.answer((serving) =>
      this.askTwice(
        serving,
        () => serving.process.call('attend', { model: serving.source, layers, ...request }, { signal }),
        signal,
      ),
    );
  }

  async stop(): Promise<void> {
    await this.loading;
    await this.serving?.process.stop();
  }

  private get current(): Serving {
    if (this.serving) return this.serving;
    this.ready();
    throw new MedformerError(
      'FAILED_PRECONDITION',
      'no model is loaded: call LoadModel with a checkpoint first',
    );
  }

  /** The process stays for as long as the call is under way. */
  private async answer<T>(ask: (serving: Serving) => Promise<T>): Promise<T & Answer> {
    const serving = this.current;
    const call = ask(serving);
    serving.callsUnderWay.add(call);
    try {
      return { ...(await call), description: serving.description };
    } finally {
      serving.callsUnderWay.delete(call);
    }
  }

  private async askTwice<T>({ source }: Serving, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      return await ask();
    } catch (thrown) {
      if (toMedformerError(thrown).code !== 'UNAVAILABLE' || signal.aborted) throw thrown;
      this.logger.warn(
        { checkpoint: source.checkpoint, err: thrown },
        'encoding process lost, calling again',
      );
      // One after the other: an image that kills its process takes no other call with it a second time.
      const again = this.repeating.then(ask);
      this.repeating = again.catch(() => undefined);
      return again;
    }
  }

  private async replace(checkpoint: string): Promise<ModelDescription> {
    if (this.serving?.description.checkpoint === checkpoint) return this.serving.description;
    const process = startComputeProcess<EncodingCalls>(
      new URL('../dist/encoding-process.js', import.meta.url),
      { name: 'encoding process' },
    );
    const source: ModelSource = { ...this.options, checkpoint };
    const load = () => process.call('load', source);
    const description = await referFor(this.store, [checkpoint], CHOICE, load).catch(async (thrown) => {
      await process.stop();
      throw thrown;
    });
    const before = await this.lastChoice();
    const choice = Buffer.from(JSON.stringify({ checkpoint } satisfies z.input<typeof Choice>));
    await this.store.put(CHOICE_KEY, choice, { contentType: 'application/json' });
    if (before && before !== checkpoint) await release(this.store, before, CHOICE);
    const old = this.serving;
    this.serving = { process, source, description, callsUnderWay: new Set() };
    if (old) void this.retire(old);
    return description;
  }

  private async retire({ process, callsUnderWay, description }: Serving): Promise<void> {
    await Promise.allSettled(callsUnderWay);
    await process.stop();
    this.logger.info({ checkpoint: description.checkpoint }, 'model retired');
  }

  private async lastChoice(): Promise<string | undefined> {
    if (!(await this.store.head(CHOICE_KEY))) return undefined;
    const stored = JSON.parse((await this.store.get(CHOICE_KEY)).toString('utf8'));
    return parseRecord(Choice, stored, CHOICE_KEY).checkpoint;
  }
}
