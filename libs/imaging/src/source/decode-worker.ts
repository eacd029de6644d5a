import { parentPort } from 'node:worker_threads';
import { MedformerError } from '@medformer/schema';
import { type DecodeJob, runDecodeJob } from './decode-job.js';

/** What a worker answers: the images, whose memory moves, or a refusal. Any other failure ends the worker. */
export interface DecodeAnswer {
  items?: Awaited<ReturnType<typeof runDecodeJob>>;
  refusal?: Pick<MedformerError, 'code' | 'message' | 'logged'>;
}

parentPort?.on('message', async (job: DecodeJob) => {
  try {
    const items = await runDecodeJob(job);
    // A view of a larger buffer would take the rest with it.
    const own = items.map((item) => ({ ...item, pixels: alone(item.pixels) }));
    parentPort?.postMessage({ items: own } satisfies DecodeAnswer, [
      ...new Set(own.map(({ pixels }) => pixels.buffer as ArrayBuffer)),
    ]);
  } catch (error) {
    if (!(error instanceof MedformerError)) throw error;
    const { code, message, logged } = error;
    parentPort?.postMessage({ refusal: { code, message, logged } } satisfies DecodeAnswer);
  }
});

function alone<Pixels extends Uint8Array | Uint16Array>(pixels: Pixels): Pixels {
  return pixels.byteLength === pixels.buffer.byteLength ? pixels : (pixels.slice() as Pixels);
}
