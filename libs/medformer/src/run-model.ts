import { setImmediate } from 'node:timers/promises';
import type { ImageRecord } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import type { CodeNames } from './model.js';
import { RecordedForward } from './recorded-forward.js';

/** About 16 MiB of float32 pixels at a time, and not so many images that cancelling waits. */
const BATCH_PIXELS = 4 * 1024 * 1024;
const BATCH_IMAGES = 128;

/** Images of one shape. */
export interface PixelGroup {
  /** `[height, width, channels]` or `[depth, height, width, channels]`. */
  shape: number[];
  /** `[images, ...shape]`, contiguous; uint8 spans 0-255 and uint16 0-65535 over [0, 1]. */
  pixels: Uint8Array | Uint16Array;
  records: ImageRecord[];
}

/** What a model computes of a batch of pixels in [0, 1]: `[batch, ...shape]` to `[batch, width]`. */
export type Forward = (pixels: tf.Tensor, names: CodeNames) => tf.Tensor;

export interface RunOptions {
  /** The codes that the model is told of these images. */
  namesOf(records: ImageRecord[]): CodeNames;
  signal: AbortSignal;
  /** Called after every batch with its images. */
  onBatch?(images: number): void;
}

/**
 * Runs every image of the groups through a model, in order; a `RecordedForward` where the weights stay and batches are many.
 * @returns `[rows, columns]`, one row per image
 */
export async function runModel(
  groups: readonly PixelGroup[],
  forward: Forward | RecordedForward,
  { namesOf, signal, onBatch }: RunOptions,
): Promise<{ rows: number; columns: number; data: Float32Array }> {
  const rows = groups.reduce((sum, { records }) => sum + records.length, 0);
  let out = { rows: 0, columns: 0, data: new Float32Array(0) };
  let done = 0;
  for (const { shape, pixels, records } of groups) {
    const size = shape.reduce((product, edge) => product * edge, 1);
    const batch = Math.max(1, Math.min(BATCH_IMAGES, Math.floor(BATCH_PIXELS / size)));
    const scale = pixels instanceof Uint8Array ? 255 : 65_535;
    for (let begin = 0; begin < records.length; begin += batch) {
      // Lets the cancellation message in: TensorFlow runs on this thread.
      await setImmediate();
      signal.throwIfAborted();
      const chosen = records.slice(begin, begin + batch);
      const part = Float32Array.from(
        pixels.subarray(begin * size, (begin + chosen.length) * size),
        (value) => value / scale,
      );
      const result = await runBatch(forward, part, [chosen.length, ...shape], namesOf(chosen));
      const columns = result.shape.at(-1)!;
      if (done === 0) out = { rows, columns, data: new Float32Array(rows * columns) };
      out.data.set(result.dataSync() as Float32Array, done * columns);
      result.dispose();
      done += chosen.length;
      onBatch?.(chosen.length);
    }
  }
  return out;
}

async function runBatch(
  forward: Forward | RecordedForward,
  values: Float32Array,
  shape: number[],
  names: CodeNames,
): Promise<tf.Tensor> {
  const pixels = tf.tensor(values, shape);
  try {
    if (forward instanceof RecordedForward) return await forward.run(pixels, names);
    return tf.tidy(() => forward(pixels, names));
  } finally {
    pixels.dispose();
  }
}
