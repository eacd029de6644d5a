import { refer, release } from '@medformer/checkpoint';
import type { ObjectStore } from '@medformer/object-store';
import { parseRecord } from '@medformer/schema';
import { checkpointsOf, ModelChoice } from './model-choice.js';

const PREFIX = 'serving/encoder/';
/** Of the time when one encoder overwrote its choice. */
const FIRST_KEY = 'serving/encoder.json';
const FIRST_REFERENCE = 'encoder';

/** A choice and its place among all: 0 before there was a log. */
export interface Chosen {
  generation: number;
  choice: ModelChoice | undefined;
}

/**
 * Every choice that an encoder on this store ever made, numbered. The next number can be written once, by a conditional
 * put: of two encoders that are told different things at once, the later one decides again on top of the earlier one's.
 */
export class ChoiceLog {
  constructor(private readonly store: ObjectStore) {}

  async newest(): Promise<Chosen> {
    let newest: string | undefined;
    for await (const { key } of this.store.list(PREFIX)) newest = key;
    if (newest !== undefined) {
      const generation = Number(newest.slice(PREFIX.length, newest.lastIndexOf('.')));
      return { generation, choice: await this.read(newest) };
    }
    const choice = (await this.store.head(FIRST_KEY)) ? await this.read(FIRST_KEY) : undefined;
    return { generation: 0, choice };
  }

  /** The newest choice, by one question where that is the known one. */
  async after(known: Chosen): Promise<Chosen> {
    let newest = known;
    for (;;) {
      const generation = newest.generation + 1;
      if (!(await this.store.head(keyOf(generation)))) return newest;
      newest = { generation, choice: await this.read(keyOf(generation)) };
    }
  }

  /**
   * Writes the choice that comes after the known one; what it names is kept from being pruned, what only the one before
   * named no longer is.
   * @returns undefined when another encoder has made that choice meanwhile
   */
  async append(known: Chosen, choice: ModelChoice): Promise<Chosen | undefined> {
    const generation = known.generation + 1;
    for (const checkpoint of checkpointsOf(choice)) await refer(this.store, checkpoint, nameOf(generation));
    const written = await this.store.put(keyOf(generation), Buffer.from(JSON.stringify(choice)), {
      ifAbsent: true,
      contentType: 'application/json',
    });
    if (written === 'exists') {
      const newest = await this.after(known);
      const kept =
        newest.choice && newest.generation === generation ? checkpointsOf(newest.choice) : new Set();
      for (const checkpoint of checkpointsOf(choice))
        if (!kept.has(checkpoint)) await release(this.store, checkpoint, nameOf(generation));
      return undefined;
    }
    for (const checkpoint of known.choice ? checkpointsOf(known.choice) : [])
      await release(this.store, checkpoint, nameOf(known.generation));
    return { generation, choice };
  }

  private async read(key: string): Promise<ModelChoice> {
    return parseRecord(ModelChoice, JSON.parse((await this.store.get(key)).toString('utf8')), key);
  }
}

const keyOf = (generation: number) => `${PREFIX}${String(generation).padStart(8, '0')}.json`;
/** Each choice holds what it names by itself: who lets go of one takes nothing from another. */
const nameOf = (generation: number) => (generation === 0 ? FIRST_REFERENCE : `encoder-${generation}`);
