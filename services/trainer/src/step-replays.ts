import { startComputeProcess } from '@medformer/compute';
import type { ObjectStoreConfig } from '@medformer/object-store';
import { MedformerError, type RunSpec } from '@medformer/schema';
import PQueue from 'p-queue';
import type { ReplayedStep, TrainingCalls } from './training-calls.js';

export interface StepReplaysOptions {
  store: ObjectStoreConfig;
  threads?: number;
}

/** Replays, one at a time beside the training; each in a process of its own, which gives its memory back. */
export class StepReplays {
  private readonly queue = new PQueue({ concurrency: 1 });
  private readonly stopping = new AbortController();

  constructor(private readonly options: StepReplaysOptions) {}

  replay(spec: RunSpec, failedStep: string, signal: AbortSignal): Promise<ReplayedStep> {
    const either = AbortSignal.any([signal, this.stopping.signal]);
    return this.queue.add(() => this.compute(spec, failedStep, either), { throwOnTimeout: true });
  }

  async stop(): Promise<void> {
    this.stopping.abort(new MedformerError('UNAVAILABLE', 'the service is stopping'));
    await this.queue.onIdle();
  }

  private async compute(spec: RunSpec, failedStep: string, signal: AbortSignal): Promise<ReplayedStep> {
    signal.throwIfAborted();
    const process = startComputeProcess<TrainingCalls>(
      new URL('../dist/training-process.js', import.meta.url),
      {
        name: 'replay process',
      },
    );
    try {
      return await process.call('replay', { ...this.options, spec, failedStep }, { signal });
    } finally {
      await process.stop();
    }
  }
}
