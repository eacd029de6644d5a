import type { ObjectStore } from '@medformer/object-store';
import { ContentHash, parseRecord } from '@medformer/schema';

/**
 * Who needs a checkpoint: a run that starts from it, a report that scores it, the encoder that serves it. Its own run
 * then keeps it. Say so before loading it: a load that succeeds is then of a checkpoint that stays.
 *
 * @param by `<kind>-<id>`, e.g. `report-<hash>`
 */
export async function refer(store: ObjectStore, checkpoint: string, by: string): Promise<void> {
  await store.put(key(checkpoint, by), new Uint8Array(0));
}

/** Takes back `refer`; taking back what was never said succeeds. */
export async function release(store: ObjectStore, checkpoint: string, by: string): Promise<void> {
  await store.delete(key(checkpoint, by));
}

export async function isReferred(store: ObjectStore, checkpoint: string): Promise<boolean> {
  for await (const _ of store.list(`references/${checkpoint}/`)) return true;
  return false;
}

const key = (checkpoint: string, by: string) =>
  `references/${parseRecord(ContentHash, checkpoint, 'checkpoint')}/${by}`;
