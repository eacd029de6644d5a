import { type ModelConfig, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Medformer } from './model.js';
import { cutPatches } from './patch-sequence.js';

const CONFIG: ModelConfig = {
  width: 24,
  depth: 3,
  heads: 3,
  latents: 6,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 3,
};
const SHAPES = [
  [1, 12, 16, 1],
  [1, 8, 8, 3],
  [1, 8, 8, 12, 1],
];

let model: Medformer;

beforeAll(async () => {
  await useBackend();
  model = new Medformer(CONFIG, { modalities: ['ct'], bodyParts: [], tasks: [] }, [], { seed: 1 });
});
afterAll(() => {
  model.dispose();
});

describe('cutting patches', () => {
  it.each([
    [[2, 8, 12, 1], 4],
    [[1, 5, 7, 3], 2],
    [[2, 4, 6, 5, 1], 4],
    [[1, 3, 2, 1], 1],
  ])('gives the pixels of %j in raster order, filled with 0 beyond the edge, patch %i', (shape, patch) => {
    tf.tidy(() => {
      const x = random(shape);
      const found = cutPatches(x, patch);

      const spatial = shape.slice(1, -1);
      const channels = shape.at(-1)!;
      const grid = spatial.map((size) => Math.ceil(size / patch));
      const values = x.dataSync();
      const expected: number[] = [];
      for (let image = 0; image < shape[0]!; image += 1)
        for (const place of places(grid))
          for (const within of places(grid.map(() => patch)))
            for (let channel = 0; channel < channels; channel += 1) {
              const pixel = place.map((at, axis) => at * patch + within[axis]!);
              const inside = pixel.every((at, axis) => at < spatial[axis]!);
              const index = pixel.reduce((sum, at, axis) => sum * spatial[axis]! + at, image);
              expected.push(inside ? values[index * channels + channel]! : 0);
            }
      expect(found.shape).toEqual([shape[0]! * places(grid).length, ...grid.map(() => patch), channels]);
      expect([...found.dataSync()]).toEqual(expected);
    });
  });
});

describe('an image as a sequence', () => {
  it.each(SHAPES)(
    'gives no place anything of its own patch or a later one: [%i, %i, %i, ...]',
    (...shape) => {
      tf.tidy(() => {
        const x = random(shape);
        const [before] = rowsOf(states(x));
        const patches = before!.length;
        for (const changed of [0, 1, Math.floor(patches / 2), patches - 1]) {
          const [after] = rowsOf(states(withPatch(x, changed)));

          // Exactly: a masked weight is 0, not small.
          for (let place = 0; place <= changed; place += 1) expect(after![place]).toEqual(before![place]);
          for (let place = changed + 1; place < patches; place += 1)
            expect(after![place]).not.toEqual(before![place]);
        }
      });
    },
  );

  it('feeds a token the pixels of its patch alone: no neighbour leaks through the stem', () => {
    tf.tidy(() => {
      // After no block, place n is patch n - 1 with codes, and nothing has mixed yet.
      const x = random([1, 12, 16, 1]);
      const [before] = rowsOf(states(x, 0));
      const [after] = rowsOf(states(withPatch(x, 5), 0));

      after!.forEach((values, place) => {
        if (place === 6) expect(values).not.toEqual(before![place]);
        else expect(values).toEqual(before![place]);
      });
    });
  });

  it('knows every place: equal patches give other states at other places', () => {
    tf.tidy(() => {
      const [states0] = rowsOf(states(tf.ones([1, 12, 16, 1]), 0));

      expect(new Set(states0!.map((values) => values.join())).size).toBe(states0!.length);
    });
  });

  it('takes smaller patches than the model’s own, down to a pixel, and no larger ones', () => {
    tf.tidy(() => {
      const x = random([2, 4, 6, 1]);
      for (const [patch, tokens] of [
        [1, 24],
        [2, 6],
        [4, 2],
      ] as const) {
        expect(states(x, 3, patch).shape).toEqual([2, tokens, CONFIG.width]);
      }
      expect(() => states(x, 3, 8)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: expect.stringMatching(/at most 4.*found 8/),
        }),
      );
    });
  });

  it('refuses a layer beyond the body', () => {
    expect(() => tf.tidy(() => states(random([1, 4, 4, 1]), 4))).toThrow(/layer: expected 0 to 3, found 4/);
  });

  it('gives the same states alone and together with those of other layers', () => {
    tf.tidy(() => {
      const x = random([1, 12, 16, 1]);
      const start = tf.fill([CONFIG.width], 0.1);
      const reading = { patch: 4, start, afterBlocks: [0, 2, 3] };
      const together = model.causalStates({ ...model.prepare(x, {}), x }, reading);

      [0, 2, 3].forEach((layer, index) => {
        expect([...together[index]!.dataSync()]).toEqual([...states(x, layer).dataSync()]);
      });
    });
  });
});

function states(x: tf.Tensor, layer = 3, patch = 4): tf.Tensor {
  const start = tf.fill([CONFIG.width], 0.1);
  return model.causalStates({ ...model.prepare(x, {}), x }, { patch, start, afterBlocks: [layer] })[0]!;
}

/** The image with other pixels in the patch of this raster index, edge 4. */
function withPatch(x: tf.Tensor, index: number): tf.Tensor {
  const spatial = x.shape.slice(1, -1);
  const channels = x.shape.at(-1)!;
  const corner = places(spatial.map((size) => size / 4))[index]!;
  const values = Float32Array.from(x.dataSync());
  for (const within of places(spatial.map(() => 4))) {
    const at = within.reduce((sum, i, axis) => sum * spatial[axis]! + corner[axis]! * 4 + i, 0);
    for (let channel = 0; channel < channels; channel += 1) values[at * channels + channel]! *= -1.5;
  }
  return tf.tensor(values, x.shape);
}

/** Every place of a grid in raster order. */
function places(grid: number[]): number[][] {
  return grid.reduce<number[][]>(
    (found, edge) => found.flatMap((place) => Array.from({ length: edge }, (_, at) => [...place, at])),
    [[]],
  );
}

function random(shape: number[]): tf.Tensor {
  const rng = Rng.of('sequence', ...shape);
  const length = shape.reduce((product, edge) => product * edge, 1);
  return tf.tensor(
    Float32Array.from({ length }, () => rng.normal()),
    shape,
  );
}

/** [B, N, D] as lists. */
const rowsOf = (tensor: tf.Tensor) => tensor.arraySync() as number[][][];
