import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from './backend.js';
import { nativeBackend } from './native-backend.js';
import { OpWatch } from './op-watch.js';
import { tf } from './tf.js';

beforeAll(async () => {
  await useBackend();
});

describe('a watch on ops', () => {
  it('finds the first op that gives a value that is not finite, and the labelled tensor it is near', () => {
    const [first, second] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([0, 1, 2])];
    const { watch, result } = OpWatch.run((watch) => {
      watch.label('first', first);
      watch.label('second', second);
      return tf.tidy(() => {
        const scaled = tf.mul(first, 2);
        const logarithm = tf.log(tf.mul(second, 3)); // ln 0
        return tf.sum(tf.add(scaled, logarithm)).dataSync()[0];
      });
    });

    expect(result).toBe(Number.NEGATIVE_INFINITY);
    expect(watch.found).toEqual({ op: 'Log', index: 2, inputs: [[3]], output: [3], near: 'second' });
    expect(watch.order).toEqual(['first', 'second']);
    tf.dispose([first, second]);
  });

  it('does not blame an op for what it was given', () => {
    const given = tf.tensor1d([Number.NaN, 1]);
    const { watch } = OpWatch.run(() => tf.tidy(() => tf.mul(given, 2).dataSync()));

    expect(watch.found).toBeUndefined();
    given.dispose();
  });

  it('finds nothing in finite code, and takes its hands off also when the code throws', () => {
    const real = nativeBackend().binding;
    const { watch } = OpWatch.run(() => tf.tidy(() => tf.log(tf.tensor1d([1, 2])).dataSync()));

    expect(watch.found).toBeUndefined();
    expect(() =>
      OpWatch.run(() => {
        throw new Error('broken');
      }),
    ).toThrow('broken');
    expect(nativeBackend().binding).toBe(real);
  });
});
