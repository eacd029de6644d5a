import type { ModelConfig } from '@medformer/schema';
import { nativeBackend, tf, useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Medformer } from './model.js';
import { RecordedForward } from './recorded-forward.js';

const CONFIG: ModelConfig = {
  width: 24,
  depth: 2,
  heads: 3,
  latents: 6,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 3,
};
const CODES = { modalities: ['ct', 'mri'], bodyParts: ['head'], tasks: [] };

let model: Medformer;

beforeAll(async () => {
  await useBackend();
  model = new Medformer(CONFIG, CODES, [], { seed: 1 });
});
afterAll(() => {
  model.dispose();
});

describe('a recorded forward pass', () => {
  it.each([[[3, 20, 20, 1]], [[2, 11, 9, 3]], [[2, 9, 12, 8, 1]]])(
    'of %j gives what the model gives, with any codes, the first time and later',
    async (shape) => {
      const recorded = embedding();
      for (const [at, name] of ['ct', 'mri', 'none'].entries()) {
        const images = tf.randomUniform(shape, 0, 1, 'float32', at);
        const names = { modality: Array<string>(shape[0]!).fill(name) };
        expectClose(await recorded.run(images, names), model.embed(images, names));
      }
      recorded.dispose();
    },
  );

  it('is recorded once per shape and gives the same bits whenever it is asked', async () => {
    const recorded = embedding();
    const images = tf.randomUniform([2, 8, 8, 1], 0, 1, 'float32', 1);
    const bits: string[] = [];
    const kinds: string[] = [];
    const call = async () => {
      const embedded = await recorded.run(images, {});
      bits.push(embedded.dataSync().join());
      return embedded;
    };
    for (let round = 0; round < 3; round += 1) kinds.push(await kindOf(call));
    await recorded.warmUp([1, 8, 8, 1]);
    kinds.push(await kindOf(() => recorded.run(tf.zeros([1, 8, 8, 1]), {})));

    expect(kinds).toEqual(['recording', 'function', 'function', 'function']);
    expect(new Set(bits).size).toBe(1);
    recorded.dispose();
  });

  it('keeps no tensor but its weights once, over many shapes and runs, and none when disposed of', async () => {
    const { binding } = nativeBackend();
    const [before, native] = [tf.memory().numTensors, binding.getNumOfTensors()];
    const recorded = embedding();
    const held: number[] = [];
    for (let size = 4; size < 16; size += 1) {
      await recorded.warmUp([1, size, size, 1]);
      held.push(binding.getNumOfTensors() - native);
    }
    // Position codes differ by size, weights do not.
    expect(Math.max(...held.slice(1).map((count, at) => count - held[at]!))).toBeLessThan(6);
    recorded.dispose();
    expect([tf.memory().numTensors, binding.getNumOfTensors()]).toEqual([before, native]);
  });
});

const embedding = () => new RecordedForward(model.codes, (pixels, rows) => model.embed(pixels, rows));

/** Whether a call records a function or runs one. */
async function kindOf(call: () => Promise<tf.Tensor>): Promise<string> {
  const backend = nativeBackend();
  const real = backend.binding;
  const called = new Set<string>();
  backend.binding = new Proxy(real, {
    get(target, name, receiver) {
      called.add(String(name));
      return Reflect.get(target, name, receiver);
    },
  });
  try {
    (await call()).dispose();
  } finally {
    backend.binding = real;
  }
  return called.has('addGraphFunction') ? 'recording' : 'function';
}

function expectClose(found: tf.Tensor, expected: tf.Tensor): void {
  expect(found.shape).toEqual(expected.shape);
  expect(tf.max(tf.abs(tf.sub(found, expected))).dataSync()[0]).toBeLessThan(1e-5);
}
