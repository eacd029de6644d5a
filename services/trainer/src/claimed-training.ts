import { claimRun, getRunSpec, isCancelled, listCheckpoints } from '@medformer/checkpoint';
import { type ObjectStoreConfig, openObjectStore } from '@medformer/object-store';
import { type RunSpec, toMedformerError } from '@medformer/schema';
import { type GroupOptions, isPeerLost, joinGroup, useBackend } from '@medformer/tensorflow';
import { ProgressLog } from './progress-log.js';
import { train } from './train.js';
import type { TrainingCalls, TrainingEvent } from './training-calls.js';

export interface ClaimedTraining {
  store: ObjectStoreConfig;
  run: string;
  threads?: number;
  /** Which of the run's processes this is; the only one when absent. */
  replica?: ReplicaSeat;
}

/** The place of a process among those that share a run. */
export type ReplicaSeat = Pick<GroupOptions, 'rank' | 'addresses' | 'joinTimeoutMs' | 'peerTimeoutMs'>;

/**
 * Trains a run that is in the object store, as the only process that may write it, and tells the store how far it is and how
 * it ends. The same in a child process of the service and in a pod. Of several processes that share the run, rank 0 does so,
 * and the others compute.
 * @throws PeerLostError when a process that shares the run is gone
 * @throws ClaimLost when another process takes the run over meanwhile; else what ended the run, told to the store before
 */
export async function trainClaimed(
  { store: storeConfig, run, threads, replica }: ClaimedTraining,
  { signal, progress }: { signal: AbortSignal; progress(event: TrainingEvent): void },
): Promise<TrainingCalls['train']['output']> {
  const store = await openObjectStore(storeConfig);
  const spec: RunSpec = await getRunSpec(store, run);
  if (replica) await useBackend({ ...(threads ? { threads } : {}), share: 'graph' });
  const group = replica && (await joinGroup({ ...replica, signal }));
  const shared = { ...(threads ? { threads } : {}), ...(group ? { replicas: group } : {}) };
  if (group && group.rank > 0) {
    const [epoch] = await group.fromFirst(Float64Array.of(0));
    progress({ type: 'started', method: spec.method.name, epoch: epoch! });
    const done = await train({ store, run, spec, ...shared }, { signal, progress });
    await group.leave();
    return done;
  }
  const newestStep = async () => (await listCheckpoints(store, run)).at(-1)?.step ?? -1;
  const claim = await claimRun(store, run, newestStep);
  // From here on no other process adds a checkpoint, so that all ranks find the same newest one.
  await group?.fromFirst(Float64Array.of(claim.epoch));
  const unheard = (thrown: unknown) => {
    const { message } = toMedformerError(thrown);
    progress({ type: 'warning', message: `the object store was not told how far the run is: ${message}` });
  };
  const log = new ProgressLog(store, claim, spec, unheard);
  progress({ type: 'started', method: spec.method.name, epoch: claim.epoch });
  const either = AbortSignal.any([signal, log.lost]);
  const observe = (event: TrainingEvent) => {
    log.observe(event);
    progress(event);
  };
  try {
    const input = { store, run, claim, spec, ...shared };
    const { checkpoint, step } = await train(input, { signal: either, progress: observe });
    await group?.leave();
    await log.end({ state: 'succeeded', step, checkpoint: { step, checkpoint } });
    return { checkpoint, step };
  } catch (thrown) {
    if (log.lost.aborted) throw log.lost.reason;
    const { code, message } = toMedformerError(thrown);
    const cancelled = async () =>
      toMedformerError(signal.reason).code === 'CANCELLED' || (await isCancelled(store, run));
    try {
      await log.end(
        signal.aborted || isPeerLost(thrown) || code === 'CANCELLED'
          ? { state: (await cancelled()) ? 'cancelled' : 'interrupted' }
          : { state: 'failed', failure: { code, message } },
      );
    } catch (untold) {
      unheard(untold);
    }
    throw thrown;
  }
}
