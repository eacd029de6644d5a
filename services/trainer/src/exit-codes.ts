import { toMedformerError } from '@medformer/schema';
import { isPeerLost, PEERS_SILENT } from '@medformer/tensorflow';

/**
 * How a training job's process ends. The job's podFailurePolicy goes by these numbers, and so does docs/training-jobs.md:
 * some fail the job at once, some start the pod again without counting, all others count against its backoff limit.
 */
export const EXIT = {
  done: 0,
  /** The run can never succeed as it is: its spec, its data, or settings of the job. Fails the job. */
  badSpec: 2,
  /** The training itself failed, and would again: a loss that is not finite, a collapse. Fails the job. */
  trainingFailed: 3,
  /** Another process has taken the run over. Fails the job, so that two jobs do not take it from each other for ever. */
  claimLost: 4,
  /** A defect. Counts. */
  defect: 70,
  /** Memory or disk is full, or the kernel killed the training; it kills the whole pod with 137. Counts. */
  outOfMemory: 71,
  /** The object store did not answer or gave wrong bytes. Counts. */
  storeFailed: 74,
  /** Told to stop: a checkpoint is written. Starts again without counting. */
  interrupted: 75,
  /** A process of the same job ended or went silent. Starts again without counting. */
  peerLost: 76,
} as const;

/** @param stopped the process was told to stop, and did */
export function exitCodeOf(thrown: unknown, stopped: boolean): number {
  const { code, message } = toMedformerError(thrown);
  if (isPeerLost(thrown) || diedForPeers(thrown)) return EXIT.peerLost;
  if (code === 'ABORTED') return EXIT.claimLost;
  // A peer that was told to stop stops all, with a checkpoint.
  if (code === 'CANCELLED' || (stopped && code === 'UNAVAILABLE')) return EXIT.interrupted;
  if (message.endsWith('died by SIGKILL')) return EXIT.outOfMemory;
  switch (code) {
    case 'INVALID_ARGUMENT':
    case 'NOT_FOUND':
    case 'UNIMPLEMENTED':
    case 'PERMISSION_DENIED':
    case 'UNAUTHENTICATED':
      return EXIT.badSpec;
    case 'FAILED_PRECONDITION':
      return message.startsWith('step ') ? EXIT.trainingFailed : EXIT.badSpec;
    case 'RESOURCE_EXHAUSTED':
      return EXIT.outOfMemory;
    case 'UNAVAILABLE':
    case 'DATA_LOSS':
    case 'DEADLINE_EXCEEDED':
      return EXIT.storeFailed;
    default:
      return EXIT.defect;
  }
}

/** The training's own thread could not say it: its last words did. */
function diedForPeers(thrown: unknown): boolean {
  return String((thrown as Error)?.cause ?? '').includes(PEERS_SILENT);
}
