import type { ObjectStore } from '@medformer/object-store';
import { ContentHash, parseRecord } from '@medformer/schema';

/**
 * Says who needs a checkpoint: a run that starts from it, a report that scores it, the encoder that serves it. Its own
 * run then keeps it. Say so before loading it: a load that then succeeds is of a checkpoint that stays.
 *
 * @param by `<kind>-<id>`, e.g. `report-<hash>`
 * @returns false when that was said before
 */
export async function refer(store: ObjectStore, checkpoint: string, by: string): Promise<boolean> {
  return (await store.put(key(checkpoint, by), new Uint8Array(0), { ifAbsent: true })) === 'created';
}

/** Takes back `refer`; taking back what was never said succeeds. */
export async function release(store: ObjectStore, checkpoint: string, by: string): Promise<void> {
  await store.delete(key(checkpoint, by));
}

/** Refers to checkpoints and uses them; where that fails, takes back what it said. */
export async function referFor<Result>(
  store: ObjectStore,
  checkpoints: readonly string[],
  by: string,
  use: () => Promise<Result>,
): Promise<Result> {
  const said: string[] = [];
  try {
    for (const checkpoint of checkpoints) if (await refer(store, checkpoint, by)) said.push(checkpoint);
    return await use();
  } catch (thrown) {
    for (const checkpoint of said) await release(store, checkpoint, by);
    throw thrown;
  }
}

export async function isReferred(store: ObjectStore, checkpoint: string): Promise<boolean> {
  for await (const _ of store.list(`references/${checkpoint}/`)) return true;
  return false;
}

const key = (checkpoint: string, by: string) =>
  `references/${parseRecord(ContentHash, checkpoint, 'checkpoint')}/${by}`;
