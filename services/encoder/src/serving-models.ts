import { isPromoted, referFor } from '@medformer/checkpoint';
import type { ObjectStore } from '@medformer/object-store';
import { MedformerError, toMedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import type { BatcherOptions } from './batching/dynamic-batcher.js';
import { DriftMeter } from './drift-meter.js';
import type { ModelDescription, ModelSource } from './encoding-calls.js';
import {
  checkpointsOf,
  ENCODER_REFERENCE,
  type ModelChoice,
  readChoice,
  withDefault,
  without,
  writeChoice,
} from './model-choice.js';
import { ServedModel } from './served-model.js';

export interface ServingModelsOptions {
  source: Omit<ModelSource, 'checkpoint'>;
  batching: BatcherOptions;
  /** That stay loaded; one more while it takes over. */
  maxModels: number;
  /** Only what a gate promoted over the default becomes the default; what was one before may again. */
  promotedOnly?: boolean;
}

export interface ListedModel {
  description: ModelDescription;
  aliases: string[];
  isDefault: boolean;
  isPrevious: boolean;
}

/**
 * The checkpoints that answer. Another one is loaded and warmed up in a process of its own beside the rest, then takes
 * over; calls under way finish on the model they began with.
 */
export class ServingModels {
  private readonly models = new Map<string, ServedModel>();
  private readonly drifts = new Map<string, DriftMeter>();
  private choice: ModelChoice | undefined;
  private starting = true;
  /** One change after the other, in the order of the calls. */
  private changing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: ObjectStore,
    private readonly options: ServingModelsOptions,
    private readonly logger: Logger,
  ) {}

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

  /** Loads the configured checkpoint, or what was chosen last: first the default, then, already ready, the others. */
  async restore(configured?: string): Promise<void> {
    try {
      const last = await readChoice(this.store);
      this.choice = last;
      const checkpoint = configured ?? last?.checkpoint;
      if (checkpoint) await this.load(checkpoint);
    } finally {
      this.starting = false;
    }
    const { choice } = this;
    if (!choice) return;
    for (const checkpoint of new Set([...choice.standby, ...Object.values(choice.aliases)])) {
      await this.change(() => this.loadedModel(checkpoint, true)).catch((err) => {
        this.logger.error({ err, checkpoint }, 'a model that was loaded before could not be loaded');
      });
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
    return this.change(async () => {
      const { choice } = this;
      const beside = standby && choice !== undefined;
      if (!beside && !this.starting) await this.checkPromoted(checkpoint);
      const model = await this.loadedModel(checkpoint, beside);
      const next = beside
        ? { ...choice, standby: [...new Set([...choice.standby, checkpoint])] }
        : withDefault(choice, checkpoint);
      await this.choose(alias === '' ? next : { ...next, aliases: { ...next.aliases, [alias]: checkpoint } });
      return model.description;
    });
  }

  setDefault(name: string): Promise<ModelDescription> {
    return this.change(async () => {
      const model = this.find(name);
      await this.checkPromoted(model.description.checkpoint);
      await this.choose(withDefault(this.choice, model.description.checkpoint));
      return model.description;
    });
  }

  /** @throws MedformerError FAILED_PRECONDITION when there is nothing to go back to */
  rollBack(): Promise<ModelDescription> {
    return this.change(async () => {
      const previous = this.choice?.previous;
      if (!previous) {
        throw new MedformerError(
          'FAILED_PRECONDITION',
          'there is no model to roll back to: none was replaced',
        );
      }
      const model = await this.loadedModel(previous);
      await this.choose(withDefault(this.choice, previous));
      return model.description;
    });
  }

  /** @throws MedformerError FAILED_PRECONDITION for the default */
  unload(name: string): Promise<void> {
    return this.change(async () => {
      const { checkpoint } = this.find(name).description;
      if (checkpoint === this.choice!.checkpoint) {
        throw new MedformerError(
          'FAILED_PRECONDITION',
          'model: expected another than the default, found the default',
        );
      }
      await this.choose(without(this.choice!, checkpoint));
    });
  }

  async stop(): Promise<void> {
    await this.changing;
    await Promise.all([...this.models.values()].map((model) => model.stop()));
  }

  /** @throws MedformerError FAILED_PRECONDITION for what no gate let take the place of the default */
  private async checkPromoted(checkpoint: string): Promise<void> {
    const served = this.choice?.checkpoint;
    if (!this.options.promotedOnly || checkpoint === served) return;
    if (await isPromoted(this.store, checkpoint, served)) return;
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `checkpoint ${checkpoint}: no gate promoted it over ${served ?? 'nothing'}, which is served (PromoteCheckpoint)`,
    );
  }

  private change<T>(work: () => Promise<T>): Promise<T> {
    const done = this.changing.then(work);
    this.changing = done.catch(() => undefined);
    return done;
  }

  /** @param beside the default stays the default */
  private async loadedModel(checkpoint: string, beside = false): Promise<ServedModel> {
    const known = this.models.get(checkpoint);
    if (known) return known;
    this.makeRoom(checkpoint, beside);
    const source: ModelSource = { ...this.options.source, checkpoint };
    const model = await referFor(this.store, [checkpoint], ENCODER_REFERENCE, () =>
      ServedModel.load(source, this.options.batching, this.logger),
    );
    this.models.set(checkpoint, model);
    this.drifts.set(checkpoint, new DriftMeter(this.store, checkpoint));
    return model;
  }

  /**
   * Retires the model to roll back to when another needs its place; it can be loaded again.
   * @throws MedformerError RESOURCE_EXHAUSTED when every place is taken by a model that calls may name
   */
  private makeRoom(checkpoint: string, beside: boolean): void {
    const { choice } = this;
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
    if (previous && !named.has(previous) && this.models.size >= this.options.maxModels) this.retire(previous);
  }

  /** Makes a choice: written first, so that a start after a crash makes the same. */
  private async choose(next: ModelChoice): Promise<void> {
    await writeChoice(this.store, next, this.choice);
    this.choice = next;
    const wanted = checkpointsOf(next);
    for (const checkpoint of this.models.keys()) if (!wanted.has(checkpoint)) this.retire(checkpoint);
    const { previous } = next;
    if (previous && this.models.size > this.options.maxModels && !isNamed(next, previous))
      this.retire(previous);
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

function isNamed({ standby, aliases }: ModelChoice, checkpoint: string): boolean {
  return standby.includes(checkpoint) || Object.values(aliases).includes(checkpoint);
}
