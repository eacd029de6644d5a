import { blobKey, type ObjectStore } from '@medformer/object-store';
import { ContentHash, canonicalJson, parseRecord } from '@medformer/schema';
import { z } from 'zod';

/**
 * Blobs of a run that may have no checkpoint: those of one that is being written or removed. Noted before the first of
 * them is touched and forgotten after the last, so that whatever a crash leaves behind is known by name.
 */
const Loose = z.object({ blobs: z.array(ContentHash) });

const prefix = (run: string) => `runs/${run}/loose/`;
const key = (run: string, checkpoint: string) => `${prefix(run)}${checkpoint}.json`;

export async function noteLoose(
  store: ObjectStore,
  run: string,
  checkpoint: string,
  blobs: readonly string[],
): Promise<void> {
  const note = { blobs: [...blobs] } satisfies z.input<typeof Loose>;
  await store.put(key(run, checkpoint), Buffer.from(canonicalJson(note)), {
    contentType: 'application/json',
  });
}

export async function forgetLoose(store: ObjectStore, run: string, checkpoint: string): Promise<void> {
  await store.delete(key(run, checkpoint));
}

/**
 * Removes what crashes left behind: blobs that were noted longer ago than `olderThanMs` and that nothing uses.
 * @param inUse blobs of the run's checkpoints; asked only where there is something to remove
 * @returns the blobs removed
 */
export async function removeLoose(
  store: ObjectStore,
  run: string,
  olderThanMs: number,
  inUse: () => Promise<ReadonlySet<string>>,
): Promise<string[]> {
  const notes: { checkpoint: string; old: boolean }[] = [];
  for await (const { key, lastModified } of store.list(prefix(run))) {
    const checkpoint = key.slice(prefix(run).length, -'.json'.length);
    notes.push({ checkpoint, old: Date.now() - lastModified.getTime() >= olderThanMs });
  }
  if (!notes.some(({ old }) => old)) return [];
  const used = new Set(await inUse());
  for (const { checkpoint, old } of notes)
    if (!old) for (const blob of await looseOf(store, run, checkpoint)) used.add(blob);
  const removed: string[] = [];
  for (const { checkpoint } of notes.filter(({ old }) => old)) {
    const unused = (await looseOf(store, run, checkpoint)).filter((blob) => !used.has(blob));
    for (const blob of unused) await store.delete(blobKey(blob));
    await forgetLoose(store, run, checkpoint);
    removed.push(...unused);
  }
  return removed;
}

async function looseOf(store: ObjectStore, run: string, checkpoint: string): Promise<string[]> {
  const bytes = await store.get(key(run, checkpoint));
  return parseRecord(Loose, JSON.parse(bytes.toString('utf8')), key(run, checkpoint)).blobs;
}
