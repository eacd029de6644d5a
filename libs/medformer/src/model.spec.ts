import { CheckpointRecord, type ModelConfig, Rng, type StoredTensor, sha256 } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INPUT_STATISTICS, Medformer } from './model.js';
import { resampled } from './resample.js';

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
const CODES = { modalities: ['ct', 'mri'], bodyParts: ['chest', 'head'], tasks: ['region'] };
const HEADS = [{ task: 'region', classes: 3 }];

let model: Medformer;

beforeAll(async () => {
  await useBackend();
  model = new Medformer(CONFIG, CODES, HEADS, { seed: 1 });
});
afterAll(() => {
  model.dispose();
});

it('computes a batch in parts as it computes it whole, gradients too', async () => {
  const model = new Medformer(CONFIG, CODES, [{ task: 'region', classes: 3 }], { seed: 1 });
  const images = tf.randomUniform([6, 8, 8, 1], 0, 1, 'float32', 2);
  const named = new Map(model.parameters.entries());
  const of = (parts: number) =>
    tf.tidy(() => {
      const reading = model.reading(named, { parts });
      const { value, grads } = tf.valueAndGrads((x: tf.Tensor) => {
        const input = reading.prepare(x, {});
        return tf.add(
          tf.sum(tf.square(reading.encode(input))),
          tf.sum(reading.classify(input, 'region')),
        ) as tf.Scalar;
      })([images]);
      return [...value.dataSync(), ...grads[0]!.dataSync()];
    });
  const whole = of(1);

  // A batch that cannot be so divided is computed whole.
  for (const parts of [2, 3, 4]) {
    const most = Math.max(...of(parts).map((each, at) => Math.abs(each - whole[at]!)));
    expect(most).toBeLessThan(1e-4 * Math.max(...whole.map(Math.abs)));
  }
  images.dispose();
  model.dispose();
});

describe('one set of weights', () => {
  it.each([
    [[2, 20, 20, 1]],
    [[2, 28, 28, 3]],
    [[1, 96, 96, 1]],
    [[1, 33, 17, 3]],
    [[1, 40, 28, 20, 1]],
    [[1, 9, 12, 10, 3]],
    [[1, 1, 1, 1]],
    [[1, 1, 1, 1, 1]],
    [[1, 12, 12, 2]],
  ])('embeds and classifies %j', (shape) => {
    tf.tidy(() => {
      const embedded = model.embed(pixels(shape));
      expect(embedded.shape).toEqual([shape[0], CONFIG.width]);
      expect([...embedded.dataSync()].every(Number.isFinite)).toBe(true);
      expect(model.predict(pixels(shape), 'region').shape).toEqual([shape[0], 3]);
    });
    // Nothing was made on the way: the model had all its parameters when it was built.
    expect(model.parameters.size).toBe(sizeWhenBuilt());
  });

  it('tells images apart, and is the same function every time', () => {
    const images = pixels([2, 20, 20, 1]);
    const [first, second] = rows(model.embed(images));

    expect(distance(first!, second!)).toBeGreaterThan(1e-3);
    expect(rows(model.embed(images))).toEqual([first, second]);
  });

  it('gives an image the same embedding alone and among others', () => {
    for (const shape of [
      [5, 20, 28, 1],
      [3, 12, 8, 16, 3],
    ]) {
      const images = pixels(shape);
      const together = rows(model.embed(images, { modality: names(shape[0]!, ['ct', 'mri']) }));
      for (const at of [0, shape[0]! - 1]) {
        const one = tf.slice(images, [at], [1]);
        const [alone] = rows(model.embed(one, { modality: [['ct', 'mri'][at % 2]!] }));
        expect(distance(alone!, together[at]!)).toBeLessThan(1e-5);
      }
    }
  });
});

describe('latent codes', () => {
  const image = () => pixels([1, 20, 20, 1]);

  it('change the embedding by modality and body part', () => {
    const [ct] = rows(model.embed(image(), { modality: ['ct'] }));
    const [mri] = rows(model.embed(image(), { modality: ['mri'] }));
    const [head] = rows(model.embed(image(), { modality: ['ct'], bodyPart: ['head'] }));

    expect(distance(ct!, mri!)).toBeGreaterThan(1e-5);
    expect(distance(ct!, head!)).toBeGreaterThan(1e-5);
  });

  it('fall back to the shared code for a key that was not trained', () => {
    const shared = rows(model.embed(image()));

    expect(rows(model.embed(image(), { modality: ['ultrasound'], bodyPart: ['hand'] }))).toEqual(shared);
  });

  it('may be absent altogether', () => {
    const bare = new Medformer(CONFIG, { modalities: [], bodyParts: [], tasks: [] });

    expect(bare.embed(image(), { modality: ['ct'] }).shape).toEqual([1, CONFIG.width]);
    bare.dispose();
  });
});

describe('hidden tokens', () => {
  it.each([[[2, 16, 16, 1]], [[1, 12, 8, 8, 2]]])('are not read, and the others are, on %j', (shape) => {
    const tokens = shape.slice(1, -1).reduce((product, edge) => product * (edge / 4), 1);
    // Only the first token may be read: no pixel of the last patch reaches it through the stem.
    const visible = tf.tensor2d(
      Array.from({ length: shape[0]! }, () => Array.from({ length: tokens }, (_, at) => (at === 0 ? 1 : 0))),
    );
    const image = pixels(shape);
    const at = (moved: tf.Tensor, seen?: tf.Tensor) => [
      ...model.latents(model.prepare(moved, {}), seen ? { visible: seen } : {}).dataSync(),
    ];
    const changed = (corner: 'first' | 'last') => {
      const edges = shape.slice(1, -1);
      const one = pixels([1, ...edges.map(() => 2), shape.at(-1)!]);
      const padding = edges.map((edge) => (corner === 'first' ? [0, edge - 2] : [edge - 2, 0]));
      return tf.add(image, tf.pad(one, [[0, 0], ...padding, [0, 0]] as [number, number][]));
    };

    expect(at(changed('last'), visible)).toEqual(at(image, visible));
    expect(distance(at(changed('first'), visible), at(image, visible))).toBeGreaterThan(1e-4);
    expect(distance(at(changed('last')), at(image))).toBeGreaterThan(1e-4);
    expect(at(image, tf.onesLike(visible))).toEqual(at(image));
  });
});

describe('weights', () => {
  it('are the same bytes for the same seed, others for another', () => {
    const [again, other] = [1, 2].map((seed) => new Medformer(CONFIG, CODES, HEADS, { seed }));

    expect(stored(again!)).toEqual(stored(model));
    expect(stored(other!)).not.toEqual(stored(model));
    again!.dispose();
    other!.dispose();
  });

  it('belong to the input Adaptformer, the body or the output Adaptformer', () => {
    const parts = new Set(model.parameters.entries().map(([name]) => name.split('/')[0]));

    expect(parts).toEqual(new Set(['input', 'body', 'output']));
  });
});

describe('a model from a checkpoint', () => {
  it('computes exactly what the stored one computed', () => {
    const [image, volume] = [pixels([2, 20, 20, 3]), pixels([1, 8, 12, 10, 1])];
    const copy = Medformer.fromCheckpoint(record(), model.parameters.toStored());

    expect(copy.heads).toEqual(HEADS);
    for (const input of [image, volume]) {
      expect(rows(copy.embed(input))).toEqual(rows(model.embed(input)));
      expect(rows(copy.predict(input, 'region'))).toEqual(rows(model.predict(input, 'region')));
    }
    copy.dispose();
  });

  it('leaves out what belongs to the training method', () => {
    const weights = model.parameters.toStored();
    weights.set('method/simclr/projection-0/weight', { dtype: 'F32', shape: [1], data: Float32Array.of(1) });

    const copy = Medformer.fromCheckpoint(record(), weights);

    expect(stored(copy)).toEqual(stored(model));
    copy.dispose();
  });

  it('standardises pixels by the statistics of the record', () => {
    const image = pixels([2, 20, 20, 3]);
    const copy = Medformer.fromCheckpoint(
      { ...record(), input: { mean: 0.25, std: 0.125 } },
      model.parameters.toStored(),
    );

    // (x - 1/4) / (1/8) is what the other model sees of 4 x - 1/2: (4 x - 1/2 - 1/2) / (1/2) = 8 x - 2.
    const moved = tf.tidy(() => tf.sub(tf.mul(image, 4), 0.5));
    const expected = rows(model.embed(moved)).flat();
    for (const [index, value] of rows(copy.embed(image)).flat().entries())
      expect(value).toBeCloseTo(expected[index]!, 4);
    expect(rows(copy.reading(new Map(copy.parameters.entries())).embed(image))).toEqual(
      rows(copy.embed(image)),
    );
    copy.dispose();
  });

  it('brings an image of a shape that no training saw to the nearest one that it did, and says so', () => {
    const known = record();
    const weights = model.parameters.toStored();
    const shapes = [
      [8, 8],
      [8, 8, 8],
    ];
    const fitted = Medformer.fromCheckpoint({ ...known, input: { ...known.input, shapes } }, weights);
    const asTheyCome = Medformer.fromCheckpoint(known, weights);
    for (const [shape, nearest] of [
      [
        [2, 16, 6, 1],
        [8, 8],
      ],
      [
        [1, 9, 8, 4, 3],
        [8, 8, 8],
      ],
    ] as const) {
      const image = pixels([...shape]);
      expect(fitted.nearestShape(shape.slice(1, -1))).toEqual(nearest);
      expect(rows(fitted.embed(image))).toEqual(rows(asTheyCome.embed(resampled(image, nearest))));
      expect(rows(fitted.embed(image))).not.toEqual(rows(asTheyCome.embed(image)));
    }
    const seen = pixels([2, 8, 8, 1]);
    expect(fitted.nearestShape([8, 8])).toBeUndefined();
    expect(rows(fitted.embed(seen))).toEqual(rows(asTheyCome.embed(seen)));
    fitted.dispose();
    asTheyCome.dispose();
  });

  it('is refused when there are tensors that the model has no place for, naming each', () => {
    const weights = model.parameters.toStored();
    weights.set('body/blocks-9/extra', { dtype: 'F32', shape: [1], data: Float32Array.of(1) });

    expect(() => Medformer.fromCheckpoint(record(), weights)).toThrow(
      expect.objectContaining({
        code: 'DATA_LOSS',
        message: 'checkpoint: the model has no body/blocks-9/extra',
      }),
    );
  });

  it('is refused when tensors are missing, naming each', () => {
    const weights = model.parameters.toStored();
    weights.delete('body/norm/gain');
    weights.delete('output/shared-query');

    expect(() => Medformer.fromCheckpoint(record(), weights)).toThrow(
      expect.objectContaining({
        code: 'DATA_LOSS',
        message: 'checkpoint: missing body/norm/gain, output/shared-query',
      }),
    );
  });

  it('is refused when a task has no head', () => {
    const weights = model.parameters.toStored();
    weights.delete('output/heads/region/weight');

    expect(() => Medformer.fromCheckpoint(record(), weights)).toThrow(
      expect.objectContaining({
        code: 'DATA_LOSS',
        message: expect.stringContaining('output/heads/region/weight'),
      }),
    );
  });

  it('is refused when a tensor has another shape or type, naming it with both', () => {
    const weights = model.parameters.toStored();
    weights.set('body/norm/gain', { dtype: 'F32', shape: [23], data: new Float32Array(23) });

    expect(() => Medformer.fromCheckpoint(record(), weights)).toThrow(
      expect.objectContaining({
        code: 'DATA_LOSS',
        message: 'checkpoint: body/norm/gain: expected F32 [24], found F32 [23]',
      }),
    );
  });

  it('leaves nothing behind when it is refused', () => {
    const weights = model.parameters.toStored();
    weights.delete('body/norm/gain');
    const misshapen = new Map(weights).set('output/norm/gain', {
      dtype: 'F32',
      shape: [1],
      data: new Float32Array(1),
    });
    const before = tf.memory().numTensors;

    for (const bad of [weights, misshapen]) {
      expect(() => Medformer.fromCheckpoint(record(), bad)).toThrow('checkpoint');
    }

    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a task head', () => {
  it('answers for its own task only', () => {
    expect(() => model.predict(pixels([1, 8, 8, 1]), 'lesion')).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        message: 'the model has no head for task lesion; it has: region',
      }),
    );
  });
});

describe('memory', () => {
  it('is the same after 50 embeddings as before', () => {
    const image = pixels([2, 20, 20, 1]);
    model.embed(image).dispose();
    const before = tf.memory().numTensors;
    for (let call = 0; call < 50; call += 1) model.embed(image, { modality: ['ct', 'x'] }).dispose();

    expect(tf.memory().numTensors).toBe(before);
  });

  it('is given back by dispose', () => {
    const before = tf.memory().numTensors;
    new Medformer(CONFIG, CODES, HEADS).dispose();

    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('the gradient', () => {
  const SAMPLE = [
    /patch-embed-\dd\/.*weight$/,
    /^input\/latent/,
    /^input\/(modality|body-part)-codes/,
    /^(input|output)\/cross-attention\/query\/weight/,
    /^body\/01\/attention\/value\/weight/,
    /^body\/00\/mlp\/expand/,
    /^body\/norm\/gain/,
    /^output\/(shared-query|task-queries)/,
    /^output\/heads\/region/,
  ];

  it.each([[[2, 7, 10, 3]], [[2, 6, 9, 5, 1]]])(
    'agrees with finite differences in every part, on %j',
    (shape) => {
      const images = pixels(shape);
      const codes = { modality: names(shape[0]!, ['ct', 'x']), bodyPart: ['head', 'x'] };
      const wanted = tf.keep(tf.randomNormal([shape[0]!, 3], 0, 1, 'float32', 5));
      const loss = () =>
        tf.tidy(
          () => tf.sum(tf.mul(model.classify(model.prepare(images, codes), 'region'), wanted)) as tf.Scalar,
        );
      const { value, grads } = tf.variableGrads(loss);
      const sample = SAMPLE.flatMap((pattern) => {
        const used = (model.parameters.entries() as [string, tf.Variable][]).filter(
          ([name, variable]) => pattern.test(name) && grads[variable.name],
        );
        expect(used.length).toBeGreaterThan(0);
        return used;
      });

      const off = sample.flatMap(([name, variable]) => {
        const gradient = grads[variable.name]!;
        const norm = tf.tidy(() => tf.norm(gradient).dataSync()[0]!);
        // Along its own direction a gradient's slope is its norm. The loss moves by 0.005: far above rounding.
        const step = Math.min(0.02, 0.005 / norm);
        const slope = differenceAlong(variable, gradient, step / norm, loss) / step;
        return Math.abs(slope - norm) <= 0.02 * norm + 1e-4 ? [] : [{ name, slope, norm }];
      });

      expect(off).toEqual([]);
      tf.dispose([images, wanted, value, ...Object.values(grads)]);
    },
  );

  /** (loss(p + d) - loss(p - d)) / 2 with d = scale * direction; the variable is as before afterwards. */
  function differenceAlong(
    variable: tf.Variable,
    direction: tf.Tensor,
    scale: number,
    loss: () => tf.Scalar,
  ): number {
    const before = tf.keep(variable.clone());
    const at = (sign: number) =>
      tf.tidy(() => {
        variable.assign(tf.add(before, tf.mul(direction, sign * scale)));
        return loss().dataSync()[0]!;
      });
    const difference = (at(1) - at(-1)) / 2;
    variable.assign(before);
    before.dispose();
    return difference;
  }
});

function pixels(shape: number[]): tf.Tensor {
  const rng = Rng.of('model', ...shape);
  const length = shape.reduce((product, edge) => product * edge, 1);
  return tf.tensor(
    Float32Array.from({ length }, () => rng.uniform()),
    shape,
  );
}

const names = (count: number, of: string[]) => Array.from({ length: count }, (_, at) => of[at % of.length]!);

function rows(output: tf.Tensor): number[][] {
  const width = output.shape[1]!;
  const values = [...output.dataSync()];
  return Array.from({ length: output.shape[0]! }, (_, row) => values.slice(row * width, (row + 1) * width));
}

const distance = (a: number[], b: number[]) => Math.max(...a.map((value, at) => Math.abs(value - b[at]!)));

/** Name, shape and values, comparable. */
const stored = (of: Medformer): [string, StoredTensor][] => [...of.parameters.toStored()];

let built: number | undefined;
function sizeWhenBuilt(): number {
  if (built === undefined) {
    const fresh = new Medformer(CONFIG, CODES, HEADS);
    built = fresh.parameters.size;
    fresh.dispose();
  }
  return built;
}

function record(): CheckpointRecord {
  const hash = sha256('x');
  return CheckpointRecord.parse({
    kind: 'medformer.checkpoint.v1',
    run: hash,
    spec: { dataset: hash, method: { name: 'simclr' }, model: CONFIG, steps: 1, codeVersion: 'test' },
    step: 1,
    model: CONFIG,
    weights: [{ sha256: hash, bytes: 1 }],
    optimiser: [{ sha256: hash, bytes: 1 }],
    parts: { input: [], body: [], output: [], method: [] },
    codes: CODES,
    input: INPUT_STATISTICS,
    dataset: hash,
    codeVersion: 'test',
    history: [],
  });
}
