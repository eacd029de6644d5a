import { Medformer } from '@medformer/medformer';
import { type ImageRecord, MethodSpec, type ModelConfig, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TrainingGroup } from '../training-group.js';
import { foretold, imageGpt } from './image-gpt.js';

const CONFIG: ModelConfig = {
  width: 24,
  depth: 2,
  heads: 3,
  latents: 4,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 3,
};
const SPEC = specOf({ codes: 12, codebookPatches: 200 });
const SHAPES = [
  [12, 16, 1],
  [8, 8, 3],
  [8, 8, 4, 1],
];

beforeAll(async () => {
  await useBackend();
});

describe.each(SHAPES)('image GPT over images [%i, %i, %i, ...]', (...shape) => {
  const group = groupOf(shape, 6);

  it('starts at ln V, at chance, with embeddings of its middle layer', () => {
    withModel(SPEC, [group], (model) => {
      const { loss, h, accuracy } = imageGpt.loss(SPEC, model, inputOf(model, group), given());

      expect(numberOf(loss)).toBeCloseTo(Math.log(12), 5);
      expect(imageGpt.expected(SPEC, 6, []).start).toBe(Math.log(12));
      expect(numberOf(accuracy!)).toBeLessThanOrEqual(1);
      expect(h.shape).toEqual([6, CONFIG.width]);
      const embedded = imageGpt.embed!(SPEC, model, inputOf(model, group));
      expect([...embedded.dataSync()]).toEqual([...h.dataSync()]);
    });
  });

  it('says nothing of a patch that it was not told by earlier patches, exactly', () => {
    withModel(SPEC, [group], (model) => {
      // An output that is not zero, so that every state shows.
      const kind = `${shape.length - 1}d-${shape.at(-1)}`;
      const output = model.parameters.get(`method/image-gpt/output-${kind}/weight`, [24, 12]) as tf.Variable;
      output.assign(tf.randomNormal([24, 12], 0, 1, 'float32', 1));
      const input = inputOf(model, group);
      const before = foretold(SPEC, model, input).logits.arraySync() as number[][][];
      const last = lastPatchChanged(input.x, shape);
      const after = foretold(SPEC, model, { ...input, x: last }).logits.arraySync() as number[][][];

      expect(after).toEqual(before);
      const first = foretold(SPEC, model, { ...input, x: firstPixelChanged(input.x) });
      const changed = first.logits.arraySync() as number[][][];
      expect(changed[0]![0]).toEqual(before[0]![0]);
      for (let place = 1; place < changed[0]!.length; place += 1)
        expect(changed[0]![place]).not.toEqual(before[0]![place]);
      // The other images of the batch do not notice.
      expect(changed.slice(1)).toEqual(before.slice(1));
    });
  });

  it('falls below ln V within some steps, and gives the codebook no gradient', () => {
    withModel(SPEC, [group], (model) => {
      const input = inputOf(model, group);
      foretold(SPEC, model, input); // makes the parameters
      const named = model.parameters.entries() as [string, tf.Variable][];
      const codebook = named.find(([name]) => name.includes('codebook'))![1];
      const fitted = [...codebook.dataSync()];
      const optimiser = tf.train.adam(3e-3);
      const lossOf = () => imageGpt.loss(SPEC, model, input, given()).loss;
      const { grads } = tf.variableGrads(
        lossOf,
        named.map(([, variable]) => variable),
      );
      for (let step = 0; step < 25; step += 1)
        optimiser.minimize(
          lossOf,
          false,
          named.flatMap(([, variable]) => (grads[variable.name] ? [variable] : [])),
        );

      expect(numberOf(lossOf())).toBeLessThan(Math.log(12) - 0.5);
      expect(grads[codebook.name]).toBeFalsy();
      expect([...codebook.dataSync()]).toEqual(fitted);
      optimiser.dispose();
    });
  });
});

describe('the settings of image GPT', () => {
  it.each([
    [1, 1, 192],
    [2, 4, 48],
    [4, 16, 12],
  ] as const)('patch %i: codes of width %i, %i tokens', (patch, width, tokens) => {
    const spec = specOf({ codes: 8, codebookPatches: 100, patch });
    const group = groupOf([12, 16, 1], 2);
    withModel(spec, [group], (model) => {
      const { logits, ids } = foretold(spec, model, inputOf(model, group));

      expect(fit(spec, [group]).get('method/image-gpt/codebook-2d-1')?.shape).toEqual([8, width]);
      expect(logits.shape).toEqual([2, tokens, 8]);
      expect(ids.shape).toEqual([2 * tokens]);
      expect([...ids.dataSync()].every((id) => id >= 0 && id < 8)).toBe(true);
    });
  });

  it('gives grey images, colour images and volumes a codebook each, the same for the same seed', () => {
    const groups = SHAPES.map((shape) => groupOf(shape, 3));
    const books = fit(SPEC, groups);

    expect([...books.keys()].sort()).toEqual([
      'method/image-gpt/codebook-2d-1',
      'method/image-gpt/codebook-2d-3',
      'method/image-gpt/codebook-3d-1',
    ]);
    expect(fit(SPEC, groups)).toEqual(books);
    expect(fit(SPEC, groups, 1)).not.toEqual(books);
  });

  it('reads features after the layer that is asked for', () => {
    const group = groupOf([12, 16, 1], 2);
    const embedded = [0, 1, 2, undefined].map((layer) => {
      const spec = specOf({ codes: 12, codebookPatches: 200, ...(layer === undefined ? {} : { layer }) });
      let values: number[] = [];
      withModel(spec, [group], (model) => {
        values = [...imageGpt.embed!(spec, model, inputOf(model, group)).dataSync()];
      });
      return values.join();
    });

    expect(embedded[3]).toBe(embedded[1]);
    expect(new Set(embedded).size).toBe(3);
  });
});

type ImageGptSpec = Extract<MethodSpec, { name: 'image-gpt' }>;

function specOf(settings: object): ImageGptSpec {
  return MethodSpec.parse({ name: 'image-gpt', ...settings }) as ImageGptSpec;
}

const fit = (spec: ImageGptSpec, groups: TrainingGroup[], seed = 0) =>
  imageGpt.fit!(spec, groups, CONFIG, seed);

function withModel(spec: ImageGptSpec, groups: TrainingGroup[], use: (model: Medformer) => void): void {
  const stored = fit(spec, groups);
  const model = new Medformer(CONFIG, { modalities: [], bodyParts: [], tasks: [] }, [], { seed: 3, stored });
  try {
    tf.tidy(() => use(model));
  } finally {
    model.dispose();
  }
}

function inputOf(model: Medformer, { shape, pixels, records }: TrainingGroup) {
  const scaled = Float32Array.from(pixels, (value) => value / 255);
  return model.prepare(tf.tensor(scaled, [records.length, ...shape]), {});
}

const given = () => ({ labels: tf.zeros([6, 1]), drawn: {}, ramp: tf.scalar(1) });

/** Smooth images: a wave whose direction and phase are the image's own. */
function groupOf(shape: number[], images: number): TrainingGroup {
  const size = shape.reduce((product, edge) => product * edge, 1);
  const rng = Rng.of('image-gpt', ...shape);
  const pixels = new Uint8Array(images * size);
  for (let image = 0; image < images; image += 1) {
    const [turn, phase] = [rng.uniform(0.2, 1), rng.uniform(0, 6)];
    for (let at = 0; at < size; at += 1)
      pixels[image * size + at] = Math.round(127 + 110 * Math.sin(turn * at + phase) + rng.uniform(-9, 9));
  }
  return { shape, pixels, records: Array.from({ length: images }, () => ({}) as ImageRecord) };
}

/** Other pixels in the last patch of every image: nothing comes after it. */
function lastPatchChanged(x: tf.Tensor, shape: number[]): tf.Tensor {
  const spatial = shape.slice(0, -1);
  const mask = spatial.reduce<tf.Tensor>((found, edge, axis) => {
    const along = tf.cast(tf.greaterEqual(tf.range(0, edge), edge - 4), 'float32');
    return tf.mul(
      found,
      tf.reshape(along, [1, ...spatial.map((length, other) => (other === axis ? length : 1)), 1]),
    );
  }, tf.scalar(1));
  return tf.add(x, mask);
}

function firstPixelChanged(x: tf.Tensor): tf.Tensor {
  const values = Float32Array.from(x.dataSync());
  values[0]! += 1;
  return tf.tensor(values, x.shape);
}

const numberOf = (scalar: tf.Scalar) => scalar.dataSync()[0]!;
