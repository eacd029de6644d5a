import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { isPromoted, referFor, release, wasPromoted } from '@medformer/checkpoint';
import type { ObjectStore } from '@medformer/object-store';
import { MedformerError, Rng, toMedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import type { BatcherOptions } from './batching/dynamic-batcher.js';
import { ChoiceLog, type Chosen } from './choice-log.js';
import { DriftMeter } from './drift-meter.js';
import { countUnfollowed } from './encoder-metrics.js';
import type { ModelDescription, ModelSource } from './encoding-calls.js';
import { checkpointsOf, isNamed, type ModelChoice, withDefault, without } from './model-choice.js';
import { ServedModel } from './served-model.js';

export interface ServingModelsOptions {
  source: Omit<ModelSource, 'checkpoint'>;
  batching: BatcherOptions;
  /** That stay loaded; one more while it takes over. */
  maxModels: number;
  /** Only what a gate promoted becomes the default, however it comes there; by LoadModel only over the default. */
  promotedOnly?: boolean;
  /** How often the store is asked for what another encoder chose, ms. */
  followMs: number;
}

const UNFOLLOWED = 'what another encoder chose could not be followed';
/** A choice that cannot be followed is tried again this many times later than it is asked for. */
const LATEST_RETRY = 32;

export interface ListedModel {
  description: ModelDescription;
  aliases: string[];
  isDefault: boolean;
  isPrevious: boolean;
}

/**
 * The checkpoints that answer. Another one is loaded and warmed up in a process of its own beside the rest, then takes
 * over; calls under way finish on the model they began with. Which they are is chosen by any encoder on the store, for all.
 */
export class ServingModels {
  private readonly models = new Map<string, ServedModel>();
  private readonly drifts = new Map<string, DriftMeter>();
  /** What is served. */
  private choice: ModelChoice | undefined;
  /** Whose choice that is. */
  private followed: number | undefined;
  /** The newest choice known of the store. */
  private chosen: Chosen = { generation: 0, choice: undefined };
  private readonly log: ChoiceLog;
  private starting = true;
  /** One change after the other, in the order of the calls. */
  private changing: Promise<unknown> = Promise.resolve();
  private readonly stopping = new AbortController();
  private following: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: ObjectStore,
    private readonly options: ServingModelsOptions,
    private readonly logger: Logger,
  ) {
    this.log = new ChoiceLog(store);
  }

  /** The number of the choice that is served, which all encoders on a store share; 0: none. */
  get generation(): number {
    return this.followed ?? 0;
  }

  get loaded(): number {
    return this.models.size;
  }

  /** Of the default model's last embeddings from those of its training; undefined where there is nothing to say. */
  get drift(): number | undefined {
    return this.choice && this.drifts.get(this.choice.checkpoint)?.value;
  }

  observe(checkpoint: string, embedding: Float32Array): void {
    this.drifts.get(checkpoint)?.observe(embedding);
  }

  /**
   * Loads the configured checkpoint, which is then chosen for all, or what was chosen last: first the default, then, already
   * ready, the others. From then on what other encoders choose is followed.
   */
  async restore(configured?: string): Promise<void> {
    try {
      this.chosen = await this.log.newest();
      if (configured && this.chosen.choice?.checkpoint !== configured) await this.begin(configured);
      else await this.queued(() => this.adopt());
    } finally {
      this.starting = false;
      this.following = this.follow();
    }
  }

  /** Loads this checkpoint in place of what was chosen, which is not loaded before. */
  private async begin(checkpoint: string): Promise<void> {
    this.followed = this.chosen.generation;
    try {
      await this.load(checkpoint);
    } catch (thrown) {
      this.followed = undefined;
      throw thrown;
    }
  }

  /** Ready once the model of the start, if there is one, answers. */
  ready(): void {
    if (this.starting) throw new MedformerError('UNAVAILABLE', 'the encoder is loading its model');
  }

  /**
   * @param name a checkpoint, an alias, or empty for the default
   * @throws MedformerError NOT_FOUND for a model that is not loaded; without a name FAILED_PRECONDITION before any model is
   *   loaded, UNAVAILABLE while the first one is
   */
  find(name = ''): ServedModel {
    const checkpoint = name === '' ? this.choice?.checkpoint : (this.choice?.aliases[name] ?? name);
    const model = checkpoint === undefined ? undefined : this.models.get(checkpoint);
    if (model) return model;
    this.ready();
    if (name !== '')
      throw new MedformerError('NOT_FOUND', 'model: expected one that is loaded, found another name');
    throw new MedformerError(
      'FAILED_PRECONDITION',
      'no model is loaded: call LoadModel with a checkpoint first',
    );
  }

  list(): ListedModel[] {
    const { choice } = this;
    if (!choice) return [];
    return [...this.models.values()]
      .map(({ description }) => ({
        description,
        aliases: Object.keys(choice.aliases).filter(
          (alias) => choice.aliases[alias] === description.checkpoint,
        ),
        isDefault: choice.checkpoint === description.checkpoint,
        isPrevious: choice.previous === description.checkpoint,
      }))
      .sort((x, y) => Number(y.isDefault) - Number(x.isDefault));
  }

  /** Loads a checkpoint and makes it the default, or keeps it beside the default; `alias` names it. */
  load(
    checkpoint: string,
    { standby = false, alias = '' }: { standby?: boolean; alias?: string } = {},
  ): Promise<ModelDescription> {
    return this.change(checkpoint, async (choice) => {
      const beside = standby && choice !== undefined;
      if (!beside) await this.checkPromoted(checkpoint, choice);
      const { description } = await this.loadedModel(checkpoint, choice, beside);
      const next = beside
        ? { ...choice, standby: [...new Set([...choice.standby, checkpoint])] }
        : withDefault(choice, checkpoint);
      const named = alias === '' ? next : { ...next, aliases: { ...next.aliases, [alias]: checkpoint } };
      return [named, description];
    });
  }

  setDefault(name: string): Promise<ModelDescription> {
    return this.change(undefined, async (choice) => {
      const { description } = this.find(name);
      await this.checkPromoted(description.checkpoint, choice);
      return [withDefault(choice, description.checkpoint), description];
    });
  }

  /** @throws MedformerError FAILED_PRECONDITION when there is nothing to go back to */
  rollBack(): Promise<ModelDescription> {
    return this.change(undefined, async (choice) => {
      const previous = choice?.previous;
      if (!previous) {
        throw new MedformerError(
          'FAILED_PRECONDITION',
          'there is no model to roll back to: none was replaced',
        );
      }
      await this.checkEverPromoted(previous);
      const { description } = await this.loadedModel(previous, choice);
      return [withDefault(choice, previous), description];
    });
  }

  /** @throws MedformerError FAILED_PRECONDITION for the default */
  unload(name: string): Promise<void> {
    return this.change(undefined, async (choice) => {
      const { checkpoint } = this.find(name).description;
      if (!choice || checkpoint === choice.checkpoint) {
        throw new MedformerError(
          'FAILED_PRECONDITION',
          'model: expected another than the default, found the default',
        );
      }
      return [without(choice, checkpoint), undefined];
    });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all([this.changing, this.following]);
    await Promise.all([...this.models.values()].map((model) => model.stop()));
  }

  /**
   * A default that no gate saw, from before gates were asked for, holds no place that one would have to be promoted over.
   * @throws MedformerError FAILED_PRECONDITION for what no gate let take the place of the default
   */
  private async checkPromoted(checkpoint: string, choice: ModelChoice | undefined): Promise<void> {
    if (!this.options.promotedOnly) return;
    // What the configuration names at a start is judged as what was chosen before is.
    if (this.starting || checkpoint === choice?.checkpoint) return this.checkEverPromoted(checkpoint);
    const gated = choice && (await wasPromoted(this.store, choice.checkpoint));
    const served = gated ? choice.checkpoint : undefined;
    if (await isPromoted(this.store, checkpoint, served)) return;
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `checkpoint ${checkpoint}: no gate promoted it over ${served ?? 'nothing'}, which is served (PromoteCheckpoint)`,
    );
  }

  /** @throws MedformerError FAILED_PRECONDITION for what no gate ever let answer by default */
  private async checkEverPromoted(checkpoint: string): Promise<void> {
    if (!this.options.promotedOnly || (await wasPromoted(this.store, checkpoint))) return;
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `checkpoint ${checkpoint}: no gate ever promoted it, so it may not answer by default (PromoteCheckpoint)`,
    );
  }

  /**
   * Decides on top of the newest choice of the store, again where another encoder chose meanwhile.
   * @param loads what is loaded for it, kept from being pruned meanwhile
   */
  private change<T>(
    loads: string | undefined,
    decide: (choice: ModelChoice | undefined) => Promise<[ModelChoice, T]>,
  ): Promise<T> {
    const decided = async () => {
      for (;;) {
        await this.catchUp().catch((err) => this.logger.warn({ err }, UNFOLLOWED));
        const { chosen } = this;
        const [next, result] = await decide(chosen.choice);
        const made = isDeepStrictEqual(next, chosen.choice) ? chosen : await this.log.append(chosen, next);
        if (!made) continue;
        this.chosen = made;
        await this.adopt();
        return result;
      }
    };
    if (loads === undefined) return this.queued(decided);
    const by = `encoder-change-${randomUUID()}`;
    return this.queued(() =>
      referFor(this.store, [loads], by, async () => {
        const result = await decided();
        await release(this.store, loads, by);
        return result;
      }),
    );
  }

  private queued<T>(work: () => Promise<T>): Promise<T> {
    const done = this.changing.then(work);
    this.changing = done.catch(() => undefined);
    return done;
  }

  /** Until the stop: asks for other encoders' choices, each at other moments than the rest of the fleet. */
  private async follow(): Promise<void> {
    const { signal } = this.stopping;
    const jitter = Rng.of('encoder-follow', randomUUID());
    for (let failed = 0; !signal.aborted; ) {
      const pause =
        this.options.followMs * Math.min(2 ** failed, LATEST_RETRY) * (0.75 + jitter.uniform() / 2);
      await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      await this.queued(() => this.catchUp()).then(
        () => {
          failed = 0;
        },
        (err) => {
          failed += 1;
          countUnfollowed();
          this.logger.error({ err: toMedformerError(err), generation: this.chosen.generation }, UNFOLLOWED);
        },
      );
    }
  }

  private async catchUp(): Promise<void> {
    this.chosen = await this.log.after(this.chosen);
    if (this.chosen.generation !== this.followed) await this.adopt();
  }

  /**
   * Serves the newest known choice: its models are loaded first, meanwhile the old ones answer. A model beside the default
   * that cannot be loaded is left out.
   * @throws what loading the default throws; then the old choice is served
   */
  private async adopt(): Promise<void> {
    const { generation, choice } = this.chosen;
    if (!choice) return;
    // Also what an encoder chose that asks for no gate, or that was chosen before one was asked for.
    await this.checkEverPromoted(choice.checkpoint);
    const wanted = checkpointsOf(choice);
    for (const checkpoint of this.models.keys())
      if (!wanted.has(checkpoint) && checkpoint !== this.choice?.checkpoint) this.retire(checkpoint);
    const beside = new Set([...choice.standby, ...Object.values(choice.aliases)]);
    // At a start nothing answers before the default does.
    if (!this.choice) await this.serve(choice);
    for (const checkpoint of beside)
      await this.loadedModel(checkpoint, choice, true).catch((err) => {
        this.logger.error({ err, checkpoint }, 'a model that was chosen could not be loaded');
      });
    await this.serve(choice);
    this.followed = generation;
  }

  private async serve(choice: ModelChoice): Promise<void> {
    await this.loadedModel(choice.checkpoint, choice);
    this.choice = choice;
    this.starting = false;
    const wanted = checkpointsOf(choice);
    for (const checkpoint of this.models.keys()) if (!wanted.has(checkpoint)) this.retire(checkpoint);
    const { previous } = choice;
    if (previous && this.models.size > this.options.maxModels && !isNamed(choice, previous))
      this.retire(previous);
  }

  /** @param beside the default stays the default */
  private async loadedModel(
    checkpoint: string,
    choice: ModelChoice | undefined,
    beside = false,
  ): Promise<ServedModel> {
    const known = this.models.get(checkpoint);
    if (known) return known;
    this.makeRoom(checkpoint, choice, beside);
    const source: ModelSource = { ...this.options.source, checkpoint };
    const model = await ServedModel.load(source, this.options.batching, this.logger);
    this.models.set(checkpoint, model);
    this.drifts.set(checkpoint, new DriftMeter(this.store, checkpoint));
    return model;
  }

  /**
   * Retires the model to roll back to when another needs its place; it can be loaded again.
   * @throws MedformerError RESOURCE_EXHAUSTED when every place is taken by a model that calls may name
   */
  private makeRoom(checkpoint: string, choice: ModelChoice | undefined, beside: boolean): void {
    if (!choice) return;
    const { standby, aliases, previous } = choice;
    const named = new Set([...standby, ...Object.values(aliases), ...(beside ? [choice.checkpoint] : [])]);
    named.delete(checkpoint);
    // Without a name of its own the default gives up its place to the one that takes over.
    if (named.size + 1 > this.options.maxModels) {
      throw new MedformerError(
        'RESOURCE_EXHAUSTED',
        `${this.models.size} models are loaded, at most ${this.options.maxModels} may be: unload one first`,
      );
    }
    // What answers by default stays until the other does.
    if (!previous || named.has(previous) || previous === this.choice?.checkpoint) return;
    if (this.models.size >= this.options.maxModels) this.retire(previous);
  }

  private retire(checkpoint: string): void {
    const model = this.models.get(checkpoint);
    if (!model) return;
    this.models.delete(checkpoint);
    this.drifts.delete(checkpoint);
    void model
      .retire()
      .catch((err) => this.logger.error({ err: toMedformerError(err) }, 'a model did not end'));
  }
}
