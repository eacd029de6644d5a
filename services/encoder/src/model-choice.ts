import { ContentHash } from '@medformer/schema';
import { z } from 'zod';

/** Which checkpoints are served; it outlives the process in the object store. */
export const ModelChoice = z.object({
  /** The default. */
  checkpoint: ContentHash,
  /** The default before this one. */
  previous: ContentHash.optional(),
  aliases: z.record(z.string(), ContentHash).default({}),
  /** Loaded beside the default. */
  standby: z.array(ContentHash).default([]),
});
export type ModelChoice = z.output<typeof ModelChoice>;

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

/** Whether calls may name this checkpoint, other than as what was the default. */
export function isNamed({ standby, aliases }: ModelChoice, checkpoint: string): boolean {
  return standby.includes(checkpoint) || Object.values(aliases).includes(checkpoint);
}
