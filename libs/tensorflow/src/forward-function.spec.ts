import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from './backend.js';
import { forwardFunction, HeldConstants } from './forward-function.js';
import { nativeBackend } from './native-backend.js';
import { tf } from './tf.js';

beforeAll(async () => {
  await useBackend();
});

describe('a forward function', () => {
  it('computes what the code computed, on other inputs too and in runs that overlap', async () => {
    const weight = tf.randomNormal([64, 32], 0, 1, 'float32', 1);
    const compute = ([x]: tf.Tensor[]) => {
      const y = tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D);
      return [tf.softmax(y), tf.mean(y, 1)];
    };
    const recorded = forwardFunction(compute, [tf.ones([4, 64])]);
    const inputs = [2, 3].map((seed) => tf.randomNormal([4, 64], 0, 1, 'float32', seed));

    const found = await Promise.all(inputs.map((x) => recorded.run([x])));

    for (const [at, x] of inputs.entries()) {
      for (const [output, expected] of compute([x]).entries()) {
        const difference = tf.max(tf.abs(tf.sub(found[at]![output]!, expected))).dataSync()[0]!;
        expect(difference).toBeLessThan(1e-5);
      }
    }
    recorded.dispose();
  });

  it('holds a large constant once for all that share it, and frees what no other reads', () => {
    const { binding } = nativeBackend();
    const weight = tf.randomNormal([64, 32], 0, 1, 'float32', 1);
    const held = new HeldConstants();
    const at = (rows: number) => {
      const x = tf.ones([rows, 64]);
      const recorded = forwardFunction(
        ([given]) => [tf.matMul(given as tf.Tensor2D, tf.mul(weight, 2) as tf.Tensor2D)],
        [x],
        held,
      );
      x.dispose();
      return recorded;
    };
    at(1).dispose();
    const before = binding.getNumOfTensors();

    const functions = [at(2), at(3)];
    expect([held.size, binding.getNumOfTensors() - before]).toEqual([1, 1]);
    functions[0]!.dispose();
    expect(held.size).toBe(1);
    functions[1]!.dispose();
    expect([held.size, binding.getNumOfTensors() - before]).toEqual([0, 0]);
  });

  it('refuses other shapes, and a run after it was disposed of; one under way finishes', async () => {
    const recorded = forwardFunction(([x]) => [tf.exp(x!)], [tf.zeros([2])]);
    await expect(recorded.run([tf.zeros([3])])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'inputs of the recorded function: expected float32[2], found float32[3]',
    });
    const running = recorded.run([tf.zeros([2])]);
    recorded.dispose();
    expect([...(await running)[0]!.dataSync()]).toEqual([1, 1]);
    await expect(recorded.run([tf.zeros([2])])).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});
