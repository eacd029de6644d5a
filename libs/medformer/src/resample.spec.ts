import { readFileSync } from 'node:fs';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { resampled, resamplingWeights } from './resample.js';

interface Case {
  from: number[];
  to: number[];
  image: number[];
  resampled: number[];
}

const { cases } = JSON.parse(readFileSync(new URL('../golden/resample.json', import.meta.url), 'utf8')) as {
  cases: Case[];
};

beforeAll(async () => {
  await useBackend();
});

describe('resampling', () => {
  it.each(cases)('of $from to $to is anti-aliased linear interpolation as PyTorch has it', (each) => {
    const found = tf.tidy(() => resampled(tf.tensor(each.image, [1, ...each.from, 1]), each.to));

    expect(found.shape).toEqual([1, ...each.to, 1]);
    found.dataSync().forEach((value, at) => {
      expect(value).toBeCloseTo(each.resampled[at]!, 5);
    });
    found.dispose();
  });

  it('keeps images and channels apart', () => {
    const image = tf.randomUniform([2, 6, 5, 3], 0, 1, 'float32', 1);
    const together = tf.tidy(() => resampled(image, [4, 8]));
    const alone = tf.tidy(() =>
      tf.concat(
        [0, 1].map((at) =>
          tf.concat(
            [0, 1, 2].map((channel) => resampled(tf.slice(image, [at, 0, 0, channel], [1, 6, 5, 1]), [4, 8])),
            -1,
          ),
        ),
      ),
    );

    expect([...together.dataSync()]).toEqual([...alone.dataSync()]);
    tf.dispose([image, together, alone]);
  });

  it('keeps a constant image as it is at any size', () => {
    for (const [from, to] of [
      [28, 96],
      [96, 28],
      [20, 28],
      [7, 7],
      [1, 5],
      [5, 1],
    ] as const) {
      const weights = resamplingWeights(from, to);
      for (let row = 0; row < to; row += 1) {
        const sum = weights
          .subarray(row * from, (row + 1) * from)
          .reduce((total, weight) => total + weight, 0);
        expect(sum).toBeCloseTo(1, 5);
      }
    }
  });
});
