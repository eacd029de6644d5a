import type { ObjectStore } from '@medformer/object-store';
import { MedformerError, parseRecord, RunProgress } from '@medformer/schema';
import type { RunClaim } from './run-claim.js';

const prefixOf = (run: string) => `runs/${run}/progress/`;
const keyOf = (run: string, epoch: number) => `${prefixOf(run)}${String(epoch).padStart(6, '0')}.json`;

/** Overwrites what was said before under this claim. @throws ClaimLost when the run is another process's by now */
export async function putRunProgress(
  store: ObjectStore,
  claim: RunClaim,
  progress: Omit<RunProgress, 'kind' | 'run' | 'epoch' | 'updatedAt'>,
): Promise<void> {
  await claim.check();
  const { run, epoch } = claim;
  await put(store, { ...progress, kind: 'medformer.run-progress.v1', run, epoch, updatedAt: now() });
}

/**
 * What the run's newest claimant last said; undefined before it said anything.
 * @param listed its key, where `listRuns` has just given it
 */
export async function getRunProgress(
  store: ObjectStore,
  run: string,
  listed?: string,
): Promise<RunProgress | undefined> {
  let missed: string | undefined;
  for (let known = listed; ; known = undefined) {
    let newest = known;
    if (newest === undefined) for await (const { key } of store.list(prefixOf(run))) newest = key;
    if (newest === undefined) return undefined;
    try {
      return parseRecord(RunProgress, JSON.parse((await store.get(newest)).toString('utf8')), newest);
    } catch (thrown) {
      // The next claimant has just removed it, and says something itself.
      const removed = thrown instanceof MedformerError && thrown.code === 'NOT_FOUND' && newest !== missed;
      if (!removed) throw thrown;
      missed = newest;
    }
  }
}

/**
 * Ends a run in the name of a process that is gone without having said so.
 * @returns false when it had said so, or when there is nothing to end
 */
export async function endRunProgress(
  store: ObjectStore,
  run: string,
  end: Pick<RunProgress, 'state' | 'failure'>,
): Promise<boolean> {
  const progress = await getRunProgress(store, run);
  if (progress?.state !== 'running') return false;
  await put(store, { ...progress, ...end });
  return true;
}

/** Removes what claimants before this one said. */
export async function pruneRunProgress(store: ObjectStore, { run, epoch }: RunClaim): Promise<void> {
  const own = keyOf(run, epoch);
  for await (const { key } of store.list(prefixOf(run))) if (key < own) await store.delete(key);
}

async function put(store: ObjectStore, progress: RunProgress): Promise<void> {
  await store.put(keyOf(progress.run, progress.epoch), Buffer.from(JSON.stringify(progress)), {
    contentType: 'application/json',
  });
}

const now = () => new Date().toISOString();
