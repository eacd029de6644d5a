import { parentPort } from 'node:worker_threads';
import { MedformerError } from '@medformer/schema';
import { type DecodedItem, type DecodeJob, runDecodeJob } from './decode-job.js';
import { type Examined, type ExamineJob, runExamineJob } from './examine-job.js';

/** A header, but not another frame. */
const MOST_REST = 4096;

export type WorkerTask = { decode: DecodeJob } | { examine: ExamineJob };

/** What a worker answers: the images, whose memory moves, a file's identity, or a refusal. Any other failure ends it. */
export interface WorkerAnswer {
  result?: DecodedItem[] | Examined;
  refusal?: Pick<MedformerError, 'code' | 'message' | 'logged'>;
}

parentPort?.on('message', async (task: WorkerTask) => {
  try {
    if ('examine' in task) {
      parentPort?.postMessage({ result: await runExamineJob(task.examine) } satisfies WorkerAnswer);
      return;
    }
    const items = await runDecodeJob(task.decode);
    // A view of a much larger buffer would take the rest with it.
    const own = items.map((item) => ({ ...item, pixels: alone(item.pixels) }));
    parentPort?.postMessage({ result: own } satisfies WorkerAnswer, [
      ...new Set(own.map(({ pixels }) => pixels.buffer as ArrayBuffer)),
    ]);
  } catch (error) {
    if (!(error instanceof MedformerError)) throw error;
    const { code, message, logged } = error;
    parentPort?.postMessage({ refusal: { code, message, logged } } satisfies WorkerAnswer);
  }
});

function alone<Pixels extends Uint8Array | Uint16Array>(pixels: Pixels): Pixels {
  return pixels.byteLength >= pixels.buffer.byteLength - MOST_REST ? pixels : (pixels.slice() as Pixels);
}
