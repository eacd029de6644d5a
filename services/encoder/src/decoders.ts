import { type ComputeProcess, startComputeProcess } from '@medformer/compute';
import { MedformerError, toMedformerError } from '@medformer/schema';
import type { DecodedFile, DecodingCalls, ImageFile } from './encoding-calls.js';

export interface DecoderOptions {
  processes: number;
  /** Values of one decoded image at most. */
  maxPixels: number;
}

/** No file within the limits takes as long; one that does has found a way to. */
const LONGEST_DECODE_MS = 60_000;

/**
 * Decodes files in processes of their own, one file each at a time: the model never waits for a decoder, and a file that
 * kills one ends no other call. A process is started when a file finds all others at work.
 */
export class Decoders {
  private readonly all: ComputeProcess<DecodingCalls>[] = [];
  private readonly idle: ComputeProcess<DecodingCalls>[] = [];
  private readonly waiting: ((process: ComputeProcess<DecodingCalls>) => void)[] = [];

  constructor(private readonly options: DecoderOptions) {}

  /** @throws MedformerError INVALID_ARGUMENT for what is no image, the reason of `signal` */
  async decode(file: ImageFile, modality: string, signal: AbortSignal): Promise<DecodedFile> {
    const process = await this.take();
    try {
      signal.throwIfAborted();
      const timed = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_DECODE_MS)]);
      const input = { file, modality, maxPixels: this.options.maxPixels };
      const call = () => process.call('decode', input, { signal: timed });
      // Something else may have ended the process; a file that ends it twice is at fault.
      return await orWhenLost(call, () => orWhenLost(call, (lost) => blame(file, process, lost)));
    } finally {
      this.giveBack(process);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((process) => process.stop()));
  }

  private async take(): Promise<ComputeProcess<DecodingCalls>> {
    const idle = this.idle.pop();
    if (idle) return idle;
    if (this.all.length < this.options.processes) {
      const process = startComputeProcess<DecodingCalls>(
        new URL('../dist/decoding-process.js', import.meta.url),
        {
          name: 'decoding process',
        },
      );
      this.all.push(process);
      return process;
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private giveBack(process: ComputeProcess<DecodingCalls>): void {
    const next = this.waiting.shift();
    if (next) next(process);
    else this.idle.push(process);
  }
}

/** @throws MedformerError UNAVAILABLE when no decoder answers, whatever the file */
async function blame(
  file: ImageFile,
  process: ComputeProcess<DecodingCalls>,
  cause: unknown,
): Promise<never> {
  await process.call('ping', null);
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `${file.name}: expected an image, found what ends the decoder`,
    {
      cause,
    },
  );
}

async function orWhenLost<T>(call: () => Promise<T>, lost: (thrown: unknown) => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    if (toMedformerError(thrown).code !== 'UNAVAILABLE') throw thrown;
    return lost(thrown);
  }
}
