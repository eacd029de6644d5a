import { Medformer } from '@medformer/medformer';
import { MethodSpec, type ModelConfig, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mae } from './mae.js';
import type { Arrangement, HostViews } from './method.js';

type MaeSpec = Extract<MethodSpec, { name: 'mae' }>;

const CONFIG: ModelConfig = {
  width: 12,
  depth: 1,
  heads: 2,
  latents: 5,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 2,
  frequencies: 2,
};
const CASES: [string, number[], { tokens: number; visible: number; pixels: number }][] = [
  ['an image', [16, 20, 1], { tokens: 20, visible: 5, pixels: 16 }],
  ['a colour image with uneven edges', [9, 12, 3], { tokens: 9, visible: 2, pixels: 48 }],
  ['a volume', [6, 4, 8, 1], { tokens: 24, visible: 6, pixels: 8 }],
];
const IMAGES = 3;

let model: Medformer;

beforeAll(async () => {
  await useBackend();
});
beforeEach(() => {
  model?.dispose();
  model = new Medformer(CONFIG, { modalities: [], bodyParts: [], tasks: [] });
});
afterAll(() => {
  model.dispose();
});

describe.each(CASES)('%s', (_, shape, { tokens, visible, pixels }) => {
  const spec = MethodSpec.parse({ name: 'mae', decoder: { depth: 1, width: 8 } }) as MaeSpec;
  const raw: MaeSpec = { ...spec, normPix: false };

  it('blanks masked patches, keeps the others, and keeps all of them as targets', () => {
    const views = noise(shape, 0);
    const before = views.x.slice();
    const { x, drawn, copies } = arranged(spec, views);

    expect(views.x).toEqual(before);
    expect(copies).toBe(1);
    expect(drawn.mask!.shape).toEqual([IMAGES, tokens]);
    expect(drawn.target!.shape).toEqual([IMAGES, tokens, pixels]);
    for (let image = 0; image < IMAGES; image += 1) {
      const mask = drawn.mask!.data.subarray(image * tokens, (image + 1) * tokens);
      expect(mask.filter((value) => value === 0).length).toBe(visible);
      const seen = maskOfPixels(mask, shape);
      const size = seen.length;
      const wanted = views.x.subarray(image * size, (image + 1) * size).map((v, at) => (seen[at] ? v : 0));
      expect(x.subarray(image * size, (image + 1) * size)).toEqual(wanted);
    }
  });

  it('predicts masked patches from visible pixels and from nothing else', () => {
    const { mask } = arranged(raw, noise(shape, 0)).drawn;
    const [first, otherMasked, otherVisible] = [
      noise(shape, 0),
      replaced(shape, mask!.data, 1),
      replaced(shape, mask!.data, 0),
    ].map((views) => arranged(raw, views)) as [Arrangement, Arrangement, Arrangement];
    wake(raw, first);

    expect(otherMasked.drawn.target).not.toEqual(first.drawn.target);
    const prediction = predictions(raw, first);
    expect(distance(predictions(raw, otherMasked), prediction)).toBeLessThan(1e-5);
    expect(distance(predictions(raw, otherVisible), prediction)).toBeGreaterThan(1e-4);
  });

  it('starts at 1 - 1/n, and that is no more than is expected', () => {
    const { loss, h } = lossOf(spec, arranged(spec, noise(shape, 2)));

    expect(loss.dataSync()[0]).toBeCloseTo(1 - 1 / pixels, 4);
    expect(loss.dataSync()[0]).toBeLessThanOrEqual(mae.expected(spec, IMAGES, []).start!);
    expect(h.shape).toEqual([IMAGES, CONFIG.width]);
  });

  it('starts, without norm-pix, at the mean square of the masked pixels', () => {
    const arrangement = arranged(raw, noise(shape, 0));
    const { mask, target } = arrangement.drawn as Record<string, { data: Float32Array }>;
    let [sum, count] = [0, 0];
    target!.data.forEach((value, at) => {
      if (mask!.data[Math.floor(at / pixels)] !== 1) return;
      sum += value * value;
      count += 1;
    });

    expect(lossOf(raw, arrangement).loss.dataSync()[0]).toBeCloseTo(sum / count, 4);
    expect(mae.expected(raw, IMAGES, [])).toEqual({ floor: 0 });
  });

  it('trains every part of the model, the output Adaptformer too', () => {
    const arrangement = arranged(spec, noise(shape, 0));
    wake(spec, arrangement);
    const { value, grads } = tf.variableGrads(() => lossOf(spec, arrangement).loss);
    const reached = model.parameters.entries().flatMap(([name, parameter]) => {
      const gradient = grads[(parameter as tf.Variable).name];
      return gradient && tf.tidy(() => tf.norm(gradient).dataSync()[0]!) > 1e-9 ? [name] : [];
    });

    for (const part of [
      /^input\/patch-embed/,
      /^body\//,
      /^output\/cross-attention\/value/,
      /^method\/mae\/focus/,
    ]) {
      expect(reached.some((name) => part.test(name))).toBe(true);
    }
    tf.dispose([value, ...Object.values(grads)]);
  });
});

it('leaves no tensor behind', () => {
  const spec = MethodSpec.parse({ name: 'mae', decoder: { depth: 1, width: 8 } }) as MaeSpec;
  const arrangement = arranged(spec, noise([8, 8, 1], 0));
  const once = () => tf.tidy(() => lossOf(spec, arrangement).loss.dataSync()[0]);
  once();
  const before = tf.memory().numTensors;
  for (let call = 0; call < 5; call += 1) once();

  expect(tf.memory().numTensors).toBe(before);
});

function arranged(spec: MaeSpec, views: HostViews): Arrangement {
  return mae.arrange!(spec, views, { config: CONFIG, rngOf: (row) => Rng.of('mask', row) });
}

function lossOf(spec: MaeSpec, { x, shape, drawn }: Arrangement, target?: tf.Tensor) {
  const pixels = tf.tensor(x, [IMAGES, ...shape]);
  const of = (name: string) => tf.tensor(drawn[name]!.data, drawn[name]!.shape);
  return mae.loss(
    spec,
    model,
    { ...model.prepare(pixels, {}), x: pixels },
    {
      labels: tf.zeros([IMAGES, 1]),
      drawn: { mask: of('mask'), target: target ?? of('target') },
      ramp: tf.scalar(1),
    },
  );
}

/**
 * What is predicted for masked patches, from the loss alone: the gradient of a mean of (p - t)^2 by t is -2 (p - t) / count.
 */
function predictions(raw: MaeSpec, arrangement: Arrangement): number[] {
  return tf.tidy(() => {
    const { data, shape } = arrangement.drawn.target!;
    const target = tf.tensor(data, shape);
    const gradient = tf.grad((t: tf.Tensor) => lossOf(raw, arrangement, t).loss as tf.Tensor)(target);
    const mask = arrangement.drawn.mask!.data as Float32Array;
    const count = mask.reduce((sum, value) => sum + value, 0) * shape[2]!;
    const values = tf.sub(target, tf.mul(gradient, count / 2)).dataSync();
    return [...values].filter((_, at) => mask[Math.floor(at / shape[2]!)] === 1);
  });
}

/** The last layer starts at 0; give it weights, so that predictions are not all alike. */
function wake(spec: MaeSpec, arrangement: Arrangement): void {
  lossOf(spec, arrangement);
  for (const [name, parameter] of model.parameters.entries()) {
    if (name.startsWith('method/mae/pixels') && name.endsWith('weight'))
      (parameter as tf.Variable).assign(tf.randomNormal(parameter.shape, 0, 1, 'float32', 3));
  }
}

/** Noise in which the patches with this mask value are other noise. */
function replaced(shape: number[], mask: ArrayLike<number>, value: number): HostViews {
  const [views, others] = [noise(shape, 0), noise(shape, 1)];
  const size = views.x.length / IMAGES;
  const tokens = mask.length / IMAGES;
  for (let image = 0; image < IMAGES; image += 1) {
    const masked = Array.from({ length: tokens }, (_, token) => mask[image * tokens + token]!);
    const seen = maskOfPixels(masked, shape);
    for (let at = 0; at < size; at += 1) {
      if ((seen[at] ? 0 : 1) === value) views.x[image * size + at] = others.x[image * size + at]!;
    }
  }
  return views;
}

/** Per value of an image, whether its patch is visible. */
function maskOfPixels(mask: ArrayLike<number>, shape: number[]): boolean[] {
  const patch = shape.length === 4 ? CONFIG.patch3d : CONFIG.patch2d;
  const grid = shape.slice(0, -1).map((edge) => Math.ceil(edge / patch));
  return Array.from({ length: shape.reduce((product, edge) => product * edge, 1) }, (_, at) => {
    let rest = Math.floor(at / shape.at(-1)!);
    const place: number[] = [];
    for (let axis = grid.length - 1; axis >= 0; axis -= 1) {
      place[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return mask[place.reduce((sum, i, axis) => sum * grid[axis]! + Math.floor(i / patch), 0)] === 0;
  });
}

function noise(shape: number[], seed: number): HostViews {
  const rng = Rng.of('mae-noise', seed, ...shape);
  const length = IMAGES * shape.reduce((product, edge) => product * edge, 1);
  return { x: Float32Array.from({ length }, () => rng.uniform(-1, 1)), shape, views: 1, images: IMAGES };
}

const distance = (a: number[], b: number[]) => Math.max(...a.map((value, at) => Math.abs(value - b[at]!)));
