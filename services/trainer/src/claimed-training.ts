import { claimRun, getRunSpec, isCancelled, listCheckpoints } from '@medformer/checkpoint';
import { type ObjectStoreConfig, openObjectStore } from '@medformer/object-store';
import { type RunSpec, toMedformerError } from '@medformer/schema';
import { ProgressLog } from './progress-log.js';
import { train } from './train.js';
import type { TrainingCalls, TrainingEvent } from './training-calls.js';

export interface ClaimedTraining {
  store: ObjectStoreConfig;
  run: string;
  threads?: number;
}

/**
 * Trains a run that is in the object store, as the only process that may write it, and tells the store how far it is and how
 * it ends. The same in a child process of the service and in a pod.
 * @throws ClaimLost when another process takes the run over meanwhile; else what ended the run, told to the store before
 */
export async function trainClaimed(
  { store: storeConfig, run, threads }: ClaimedTraining,
  { signal, progress }: { signal: AbortSignal; progress(event: TrainingEvent): void },
): Promise<TrainingCalls['train']['output']> {
  const store = await openObjectStore(storeConfig);
  const spec: RunSpec = await getRunSpec(store, run);
  const newestStep = async () => (await listCheckpoints(store, run)).at(-1)?.step ?? -1;
  const claim = await claimRun(store, run, newestStep);
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
    const input = { store, claim, spec, ...(threads ? { threads } : {}) };
    const { checkpoint, step } = await train(input, { signal: either, progress: observe });
    await log.end({ state: 'succeeded', step, checkpoint: { step, checkpoint } });
    return { checkpoint, step };
  } catch (thrown) {
    if (log.lost.aborted) throw log.lost.reason;
    const { code, message } = toMedformerError(thrown);
    const cancelled = async () =>
      toMedformerError(signal.reason).code === 'CANCELLED' || (await isCancelled(store, run));
    try {
      await log.end(
        signal.aborted
          ? { state: (await cancelled()) ? 'cancelled' : 'interrupted' }
          : { state: 'failed', failure: { code, message } },
      );
    } catch (untold) {
      unheard(untold);
    }
    throw thrown;
  }
}
