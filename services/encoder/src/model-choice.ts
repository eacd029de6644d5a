import { refer, release } from '@medformer/checkpoint';
import type { ObjectStore } from '@medformer/object-store';
import { ContentHash, parseRecord } from '@medformer/schema';
import { z } from 'zod';

/** Where the choice of the served checkpoints outlives the process. */
const CHOICE_KEY = 'serving/encoder.json';
/** As what the encoder refers to checkpoints, so that their runs keep them. */
export const ENCODER_REFERENCE = 'encoder';

const ModelChoice = z.object({
  /** The default. */
  checkpoint: ContentHash,
  /** The default before this one. */
  previous: ContentHash.optional(),
  aliases: z.record(z.string(), ContentHash).default({}),
  /** Loaded beside the default. */
  standby: z.array(ContentHash).default([]),
});
export type ModelChoice = z.output<typeof ModelChoice>;

export async function readChoice(store: ObjectStore): Promise<ModelChoice | undefined> {
  if (!(await store.head(CHOICE_KEY))) return undefined;
  return parseRecord(ModelChoice, JSON.parse((await store.get(CHOICE_KEY)).toString('utf8')), CHOICE_KEY);
}

/** Writes the choice; what it names is kept from being pruned, what only the one before named no longer is. */
export async function writeChoice(
  store: ObjectStore,
  choice: ModelChoice,
  before: ModelChoice | undefined,
): Promise<void> {
  const named = checkpointsOf(choice);
  for (const checkpoint of named) await refer(store, checkpoint, ENCODER_REFERENCE);
  await store.put(CHOICE_KEY, Buffer.from(JSON.stringify(choice)), { contentType: 'application/json' });
  for (const checkpoint of before ? checkpointsOf(before) : []) {
    if (!named.has(checkpoint)) await release(store, checkpoint, ENCODER_REFERENCE);
  }
}

/** Every checkpoint that a choice names. */
export function checkpointsOf({ checkpoint, previous, aliases, standby }: ModelChoice): Set<string> {
  return new Set([checkpoint, ...(previous ? [previous] : []), ...Object.values(aliases), ...standby]);
}

/** The choice with this checkpoint as the default; the one that was is what a roll-back goes back to. */
export function withDefault(choice: ModelChoice | undefined, checkpoint: string): ModelChoice {
  if (!choice) return { checkpoint, aliases: {}, standby: [] };
  if (choice.checkpoint === checkpoint) return choice;
  return { ...choice, checkpoint, previous: choice.checkpoint };
}

/** The choice without this checkpoint under any name but the default. */
export function without(choice: ModelChoice, checkpoint: string): ModelChoice {
  const { previous, ...rest } = choice;
  return {
    ...rest,
    ...(previous && previous !== checkpoint ? { previous } : {}),
    aliases: Object.fromEntries(Object.entries(choice.aliases).filter(([, named]) => named !== checkpoint)),
    standby: choice.standby.filter((other) => other !== checkpoint),
  };
}
