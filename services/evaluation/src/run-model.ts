import { setImmediate } from 'node:timers/promises';
import type { ImageGroup } from '@medformer/dataset';
import { codeNames, type KnownCodes, type Matrix } from '@medformer/evaluators';
import type { CodeNames } from '@medformer/medformer';
import { tf } from '@medformer/tensorflow';

/** About 16 MiB of float32 pixels at a time, and not so many images that cancelling waits. */
const BATCH_PIXELS = 4 * 1024 * 1024;
const BATCH_IMAGES = 128;

/** What a model computes of a batch of pixels in [0, 1]: `[batch, ...shape]` to `[batch, width]`. */
export type Forward = (pixels: tf.Tensor, names: CodeNames) => tf.Tensor;

export interface RunOptions {
  codes: KnownCodes;
  signal: AbortSignal;
  /** Called after every batch with its images. */
  onBatch(images: number): void;
}

/** Runs every image of the groups through the model, in order. @returns `[images, width]`, float32 */
export async function runModel(
  groups: readonly ImageGroup[],
  forward: Forward,
  { codes, signal, onBatch }: RunOptions,
): Promise<Matrix> {
  const rows = groups.reduce((sum, { records }) => sum + records.length, 0);
  let out: Matrix = { rows: 0, columns: 0, data: new Float32Array(0) };
  let done = 0;
  for (const { shape, pixelType, pixels, records } of groups) {
    const size = shape.reduce((product, edge) => product * edge, 1);
    const batch = Math.max(1, Math.min(BATCH_IMAGES, Math.floor(BATCH_PIXELS / size)));
    const scale = pixelType === 'uint8' ? 255 : 65_535;
    for (let begin = 0; begin < records.length; begin += batch) {
      // Lets the cancellation message in: TensorFlow runs on this thread.
      await setImmediate();
      signal.throwIfAborted();
      const chosen = records.slice(begin, begin + batch);
      const part = Float32Array.from(
        pixels.subarray(begin * size, (begin + chosen.length) * size),
        (value) => value / scale,
      );
      const result = tf.tidy(() =>
        forward(tf.tensor(part, [chosen.length, ...shape]), codeNames(codes, chosen)),
      );
      const columns = result.shape.at(-1)!;
      if (done === 0) out = { rows, columns, data: new Float32Array(rows * columns) };
      out.data.set(result.dataSync() as Float32Array, done * columns);
      result.dispose();
      done += chosen.length;
      onBatch(chosen.length);
    }
  }
  return out;
}
