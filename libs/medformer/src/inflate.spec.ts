import { MODEL_PRESETS, Rng, type StoredTensor } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { inflated } from './inflate.js';
import { Medformer } from './model.js';

const CONFIG = { ...MODEL_PRESETS.nano, width: 24, depth: 1, latents: 4, frequencies: 3 };
const CODES = { modalities: [], bodyParts: [], tasks: [] };

beforeAll(async () => {
  await useBackend();
});

describe('ends for volumes made from ends for images', () => {
  it('read a volume of equal slices as the body reads a slice of it, away from the first and the last', () => {
    const { weights, untrained } = checkpoint();
    const made = inflated(weights, untrained);
    const image = Rng.of('slice');
    const slice = tf.tensor(
      Float32Array.from({ length: 64 }, () => image.uniform()),
      [1, 8, 8, 1],
    );
    const volume = tf.stack(Array(16).fill(slice), 1);
    const [kernel, flat] = ['3d', '2d'].map((axes) => made.get(`input/patch-embed-${axes}/luma/weight`)!);
    const deep = tf.conv3d(volume as tf.Tensor5D, tensorOf(kernel!) as tf.Tensor5D, 2, 'same');
    const shallow = tf.conv2d(slice as tf.Tensor4D, tensorOf(flat!) as tf.Tensor4D, 2, 'same');

    const middle = tf.slice(deep, [0, 3, 0, 0, 0], [1, 1, ...shallow.shape.slice(1)]).dataSync();
    shallow.dataSync().forEach((value, at) => {
      expect(middle[at]).toBeCloseTo(value, 5);
    });
  });

  it('code rows and columns as images have them, and slices not at all', () => {
    const { weights, untrained } = checkpoint();
    const made = inflated(weights, untrained).get('input/position-codes-3d/weight')!;
    const images = weights.get('input/position-codes-2d/weight')!;

    expect([...made.data.subarray(0, images.data.length / 2)].every((value) => value === 0)).toBe(true);
    expect(made.data.subarray(images.data.length / 2)).toEqual(images.data);
    expect(made.shape).toEqual([21, 24]);
  });

  it('leave everything else, and ends that were trained, as they are', () => {
    const { weights, untrained } = checkpoint();

    for (const [name, tensor] of inflated(weights, untrained))
      if (!untrained.includes(name)) expect(tensor).toBe(weights.get(name));
    expect([...inflated(weights, [])]).toEqual([...weights]);
    // Nothing was trained: there is nothing to make anything of.
    expect([...inflated(weights, [...weights.keys()])]).toEqual([...weights]);
  });

  it('are not made where patches of images are of other steps than those of volumes', () => {
    const { weights, untrained } = checkpoint({ ...CONFIG, patch3d: 8 });

    expect([...inflated(weights, untrained)]).toEqual([...weights]);
  });
});

/** A model's random weights, its ends for volumes called untrained. */
function checkpoint(config: typeof Medformer.prototype.config = CONFIG) {
  const model = new Medformer(config, CODES, [], { seed: 3 });
  const weights = model.parameters.toStored();
  model.dispose();
  return { weights, untrained: [...weights.keys()].filter((name) => name.includes('-3d')) };
}

function tensorOf({ shape, data }: StoredTensor): tf.Tensor {
  return tf.tensor(data as Float32Array, shape);
}
