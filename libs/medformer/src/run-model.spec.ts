import { type ImageRecord, sha256 } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { type PixelGroup, runModel } from './run-model.js';

beforeAll(async () => {
  await useBackend();
});

const signal = new AbortController().signal;
/** An image's mean, and the first letters of what the model is told of it. */
const forward = (pixels: tf.Tensor, { modality }: { modality?: string[] }) =>
  tf.stack(
    [
      tf.mean(tf.reshape(pixels, [pixels.shape[0]!, -1]), 1),
      tf.tensor1d(modality!.map((name) => name.length)),
    ],
    1,
  );
const namesOf = (records: ImageRecord[]) => ({ modality: records.map(({ modality }) => modality) });

describe('running a model over images', () => {
  it('gives a row per image, in order, over groups of several shapes and batches of one', async () => {
    const many = groupOf(
      [1, 1, 1],
      Uint8Array.from({ length: 300 }, (_, index) => index % 256),
      'ct',
    );
    const few = groupOf([1, 2, 1, 1], Uint16Array.of(65_535, 65_535, 0, 65_535), 'xray');
    const batches: number[] = [];
    const before = tf.memory().numTensors;

    const { rows, columns, data } = await runModel([many, few], forward, {
      namesOf,
      signal,
      onBatch: (images) => batches.push(images),
    });

    expect([rows, columns, batches]).toEqual([302, 2, [128, 128, 44, 2]]);
    for (const row of [0, 1, 255, 256, 299]) expect(data[2 * row]).toBeCloseTo((row % 256) / 255, 6);
    expect([...data.slice(-6)].map((value) => Number(value.toFixed(4)))).toEqual([0.1686, 2, 1, 4, 0.5, 4]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('gives nothing for no image, and stops when it is told to', async () => {
    expect((await runModel([], forward, { namesOf, signal })).rows).toBe(0);

    const stopped = AbortSignal.abort(new Error('stopped'));
    const group = groupOf([1, 1, 1], Uint8Array.of(1), 'ct');
    await expect(runModel([group], forward, { namesOf, signal: stopped })).rejects.toThrow('stopped');
  });
});

function groupOf(shape: number[], pixels: Uint8Array | Uint16Array, modality: string): PixelGroup {
  const images = pixels.length / shape.reduce((product, edge) => product * edge, 1);
  const records = Array.from(
    { length: images },
    (_, row): ImageRecord => ({
      id: sha256(String(row)).slice(0, 16),
      subject: `s${row}`,
      split: 'train',
      modality,
      bodyPart: 'chest',
      shape,
      pixelType: pixels instanceof Uint8Array ? 'uint8' : 'uint16',
      labels: {},
      source: sha256('x'),
      tensor: 't',
      row,
    }),
  );
  return { shape, pixels, records };
}
