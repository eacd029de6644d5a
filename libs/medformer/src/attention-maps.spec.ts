import { type ModelConfig, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Attended, attend, attentionRollout } from './attention-maps.js';
import { Medformer } from './model.js';
import { patchEmbed } from './patch-embed.js';
import { fourierPositionCodes, patchCentres } from './position-codes.js';

const CONFIG: ModelConfig = {
  width: 12,
  depth: 2,
  heads: 3,
  latents: 5,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 3,
};
const CODES = { modalities: ['ct'], bodyParts: ['head'], tasks: ['region'] };
const NAMES = { modality: ['ct', 'none'], bodyPart: ['head', 'head'] };

let model: Medformer;

beforeAll(async () => {
  await useBackend();
  const untrained = new Medformer(CONFIG, CODES, [{ task: 'region', classes: 3 }], { seed: 1 });
  // As training leaves it: no gain is 1 and no bias 0.
  const stored = untrained.parameters.toStored();
  untrained.dispose();
  for (const [name, { data }] of stored) {
    const rng = Rng.of(2, name);
    for (let at = 0; at < data.length; at += 1) data[at]! += rng.normal(0, 0.2);
  }
  model = new Medformer(CONFIG, CODES, [{ task: 'region', classes: 3 }], { seed: 1, stored });
});
afterAll(() => {
  model.dispose();
});

describe.each([
  ['images', [2, 10, 17, 3], [3, 5]],
  ['volumes', [2, 9, 8, 12, 1], [3, 2, 3]],
])('attention over %s', (_, shape, grid) => {
  const tokens = grid.reduce((product, edge) => product * edge, 1);
  let pixels: tf.Tensor;
  let attended: Attended;
  beforeAll(() => {
    pixels = tf.randomUniform(shape, 0, 1, 'float32', 3);
    attended = attend(model, pixels, NAMES);
  });
  afterAll(() => {
    tf.dispose([pixels, attended.embedding, ...attended.maps.values()]);
  });

  it('is given by layer, image, head, query and key, with the embedding and the grid of the patches', () => {
    const shapes = [...attended.maps].map(([layer, weights]) => [layer, weights.shape]);
    expect(shapes).toEqual([
      ['input/cross-attention', [2, 3, 5, tokens]],
      ['body/00/attention', [2, 3, 5, 5]],
      ['body/01/attention', [2, 3, 5, 5]],
      ['output/cross-attention', [2, 3, 1, 5]],
    ]);
    expect(attended).toMatchObject({ grid, spatial: shape.slice(1, -1), patch: 4 });
    expectClose(attended.embedding, model.embed(pixels, NAMES), 1e-6);
  });

  it('sums to 1 over the keys of every query, as does the rollout over the patches', () => {
    for (const weights of attended.maps.values()) {
      expect(tf.min(weights).dataSync()[0]).toBeGreaterThanOrEqual(0);
      expectClose(tf.sum(weights, -1), tf.ones(weights.shape.slice(0, -1)), 1e-5);
    }
    const heat = attentionRollout(attended.maps);
    expect(heat.shape).toEqual([2, tokens]);
    expectClose(tf.sum(heat, 1), tf.ones([2]), 1e-5);
  });

  it('of the latents over the patches is softmax(q k / sqrt(d) - (focus distance)^2) of the plain formula', () => {
    const found = attended.maps.get('input/cross-attention')!;
    const expected = plainInputAttention(pixels, grid);
    expectClose(found, expected, 2e-5);
    // Not a uniform one, which anything would match.
    expect(tf.max(found).dataSync()[0]).toBeGreaterThan(2 / tokens);
  });
});

describe('attention', () => {
  it("of a task is that of the task's own query, over the same latents", () => {
    const pixels = tf.randomUniform([1, 8, 8, 1], 0, 1, 'float32', 4);
    const [shared, own] = [attend(model, pixels), attend(model, pixels, {}, 'region')];
    const of = ({ maps }: Attended, layer: string) => maps.get(layer)!;
    expectClose(of(own, 'body/01/attention'), of(shared, 'body/01/attention'), 1e-6);
    const out = [shared, own].map((each) => [...of(each, 'output/cross-attention').dataSync()]);
    expect(out[0]).not.toEqual(out[1]);
    expect(() => attend(model, pixels, {}, 'age')).toThrow('the model has no head for task age');
  });

  it('rolls out as by hand', () => {
    const half = tf.tensor([0.5, 0.5, 0.5, 0.5], [1, 1, 2, 2]);
    const maps = new Map([
      ['input/cross-attention', tf.tensor([1, 0, 0, 0, 0.25, 0.75], [1, 1, 2, 3])],
      ['body/00/attention', half],
      ['output/cross-attention', tf.tensor([1, 0], [1, 1, 1, 2])],
    ]);
    // Output: half of [1, 0] and half of the mean. Body: half mixed, half passed on.
    const latents = [0.75, 0.25].map((share) => (share + 0.5) / 2);
    const expected = [latents[0]!, 0.25 * latents[1]!, 0.75 * latents[1]!];
    expectClose(attentionRollout(maps), tf.tensor([expected]), 1e-6);
  });

  it('keeps nothing but what it returns', () => {
    const pixels = tf.zeros([1, 8, 8, 1]);
    const before = tf.memory().numTensors;
    const { embedding, maps } = attend(model, pixels);
    expect(tf.memory().numTensors - before).toBe(1 + maps.size);
    tf.dispose([embedding, ...maps.values()]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

/** Every step as it is written in the papers: the norms applied, keys made, distances by loops. */
function plainInputAttention(pixels: tf.Tensor, grid: number[]): tf.Tensor {
  const named = new Map(model.parameters.entries());
  const of = (name: string) => named.get(name)!;
  const { width, heads, latents, frequencies } = CONFIG;
  const axes = grid.length;
  const perHead = width / heads;
  const linear = (x: tf.Tensor, at: string) =>
    tf.add(
      tf.reshape(tf.matMul(tf.reshape(x, [-1, x.shape.at(-1)!]), of(`${at}/weight`) as tf.Tensor2D), [
        ...x.shape.slice(0, -1),
        of(`${at}/weight`).shape[1]!,
      ]),
      of(`${at}/bias`),
    );
  const norm = (x: tf.Tensor, at: string) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const standard = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(standard, of(`${at}/gain`)), of(`${at}/bias`));
  };
  const { x, modality, bodyPart } = model.prepare(pixels, NAMES);
  const { values, features } = fourierPositionCodes(grid, frequencies);
  const positions = linear(
    tf.tensor2d(values, [values.length / features, features]),
    `input/position-codes-${axes}d`,
  );
  const codes = tf.add(
    tf.matMul(modality, of('input/modality-codes') as tf.Tensor2D),
    tf.matMul(bodyPart, of('input/body-part-codes') as tf.Tensor2D),
  );
  const contents = patchEmbed(model.parameters, x, 4, width);
  const tokens = tf.add(tf.add(contents, positions), tf.expandDims(codes, 1));
  const split = (h: tf.Tensor) =>
    tf.transpose(tf.reshape(h, [h.shape[0]!, h.shape[1]!, heads, perHead]), [0, 2, 1, 3]);
  const q = split(
    linear(norm(tf.expandDims(of('input/latents'), 0), 'input/latent-norm'), 'input/cross-attention/query'),
  );
  const k = split(linear(norm(tokens, 'input/token-norm'), 'input/cross-attention/key'));
  const logits = tf.div(tf.matMul(tf.tile(q, [2, 1, 1, 1]), k, false, true), Math.sqrt(perHead));
  const places = of('input/latent-places').arraySync() as number[][];
  const focus = of('input/latent-focus').dataSync();
  const centres = patchCentres(grid);
  const count = centres.length / axes;
  const bias = new Float32Array(heads * latents * count);
  for (let head = 0; head < heads; head += 1) {
    for (let latent = 0; latent < latents; latent += 1) {
      for (let token = 0; token < count; token += 1) {
        let squared = 0;
        for (let axis = 0; axis < axes; axis += 1) {
          squared += (places[latent]![axis + 3 - axes]! - centres[token * axes + axis]!) ** 2;
        }
        bias[(head * latents + latent) * count + token] = -(focus[head]! ** 2) * squared;
      }
    }
  }
  return tf.softmax(tf.add(logits, tf.tensor(bias, [1, heads, latents, count])));
}

function expectClose(found: tf.Tensor, expected: tf.Tensor, most: number): void {
  expect(found.shape).toEqual(expected.shape);
  expect(tf.max(tf.abs(tf.sub(found, expected))).dataSync()[0]).toBeLessThan(most);
}
