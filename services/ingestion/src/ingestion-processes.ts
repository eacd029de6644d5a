import { type ComputeProcess, type ProgressOf, startComputeProcess } from '@medformer/compute';
import { MedformerError } from '@medformer/schema';
import type { IngestionCalls, IngestionEvent, IngestionInput, IngestionOutput } from './ingestion-calls.js';
import { countIngest } from './ingestion-metrics.js';

const MOST_AT_ONCE = 4;

/**
 * Child processes for ingests and for what reads whole datasets, one a call: stopping or losing one cannot touch another. A process that ended its
 * ingest in order is kept for the next, so that finding a dataset already there costs no start.
 */
export class IngestionProcesses {
  private readonly running = new Set<ComputeProcess<IngestionCalls>>();
  private idle: ComputeProcess<IngestionCalls> | undefined;

  /** @throws MedformerError RESOURCE_EXHAUSTED while as many ingests as allowed are under way; as `ingest` throws. */
  async ingest(
    input: IngestionInput,
    { signal, onProgress }: { signal: AbortSignal; onProgress: (event: IngestionEvent) => void },
  ): Promise<IngestionOutput> {
    return countIngest((count) =>
      this.call('ingest', input, {
        signal,
        onProgress: (event) => {
          count(event);
          onProgress(event);
        },
      }),
    );
  }

  /** @throws MedformerError RESOURCE_EXHAUSTED while as many processes as allowed are at work; as the call throws. */
  async call<Name extends keyof IngestionCalls>(
    name: Name,
    input: IngestionCalls[Name]['input'],
    options: {
      signal: AbortSignal;
      onProgress?: (event: ProgressOf<IngestionCalls[Name]>) => void;
    },
  ): Promise<IngestionCalls[Name]['output']> {
    if (this.running.size >= MOST_AT_ONCE) {
      throw new MedformerError(
        'RESOURCE_EXHAUSTED',
        `${MOST_AT_ONCE} ingests are under way; try again later`,
      );
    }
    const process = this.idle ?? start();
    this.idle = undefined;
    this.running.add(process);
    try {
      return await process.call(name, input, options);
    } finally {
      this.running.delete(process);
      if (this.idle || options.signal.aborted) await process.stop();
      else this.idle = process;
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.idle, ...this.running].map((process) => process?.stop()));
  }
}

function start(): ComputeProcess<IngestionCalls> {
  return startComputeProcess(new URL('../dist/ingestion-process.js', import.meta.url), {
    name: 'ingestion process',
  });
}
