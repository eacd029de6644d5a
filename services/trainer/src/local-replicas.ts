import { once } from 'node:events';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { type ComputeProcess, type ComputeProcessOptions, startComputeProcess } from '@medformer/compute';
import { isPeerLost } from '@medformer/tensorflow';
import type { ClaimedTraining } from './claimed-training.js';
import type { TrainingCalls, TrainingEvent } from './training-calls.js';

/**
 * Trains a run in so many processes of this machine that share each batch; one that ends takes the others with it.
 * @throws MedformerError what ended the run, in whichever process
 */
export async function trainIn(
  workers: number,
  input: Omit<ClaimedTraining, 'replica'>,
  given: {
    signal: AbortSignal;
    /** Of the first process. */
    onProgress(event: TrainingEvent): void;
    process: ComputeProcessOptions;
  },
): Promise<TrainingCalls['train']['output']> {
  const processes: ComputeProcess<TrainingCalls>[] = Array.from({ length: workers }, () =>
    startComputeProcess<TrainingCalls>(
      new URL('../dist/training-process.js', import.meta.url),
      given.process,
    ),
  );
  const end = () => Promise.all(processes.map((process) => process.stop()));
  try {
    const addresses = workers > 1 ? await freeAddresses(workers) : [];
    const threads = input.threads ?? Math.max(1, Math.floor(availableParallelism() / workers));
    const outcomes = await Promise.allSettled(
      processes.map(async (process, rank) => {
        const shared = workers > 1 ? { threads, replica: { rank, addresses } } : {};
        const onProgress = rank === 0 ? { onProgress: given.onProgress } : {};
        try {
          return await process.call(
            'train',
            { ...input, ...shared },
            { signal: given.signal, ...onProgress },
          );
        } catch (thrown) {
          // What the others wait for will not come.
          void end();
          throw thrown;
        }
      }),
    );
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    if (failures.length > 0) throw failures.find((reason) => !isPeerLost(reason)) ?? failures[0];
    const [first] = outcomes as PromiseFulfilledResult<TrainingCalls['train']['output']>[];
    return first!.value;
  } finally {
    await end();
  }
}

/** Addresses on this machine that nothing listens at now. */
async function freeAddresses(count: number): Promise<string[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports.map((port) => `127.0.0.1:${port}`);
}
