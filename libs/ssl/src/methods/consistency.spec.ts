import { Medformer, type ModelInput } from '@medformer/medformer';
import { MethodSpec, type ModelConfig, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consistency as consistencyLoss } from '../losses/consistency.js';
import { gradientError } from '../testing/gradient-check.js';
import { consistency } from './consistency.js';
import type { LossInput, MethodLoss } from './method.js';
import { supervised } from './supervised.js';

const CONFIG: ModelConfig = {
  width: 24,
  depth: 1,
  heads: 3,
  latents: 4,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 2,
};
const CODES = { modalities: [], bodyParts: [], tasks: ['region'] };
const HEADS = [{ task: 'region', classes: 3 }];
const IMAGES = 5;
/** The second and the last image have no label. */
const LABELS = [
  [1, 0, 0],
  [0, 0, 0],
  [0, 0, 1],
  [0, 1, 0],
  [0, 0, 0],
];

let model: Medformer;
let average: Medformer;

beforeAll(async () => {
  await useBackend();
  model = new Medformer(CONFIG, CODES, HEADS, { seed: 1 });
  average = new Medformer(CONFIG, CODES, HEADS, { seed: 2 });
});
afterAll(() => {
  model.dispose();
  average.dispose();
});

describe.each([
  ['images', [8, 12, 1]],
  ['volumes', [4, 8, 8, 1]],
])('consistency over %s', (_, shape) => {
  it.each(['weight', 'ramp'])('is supervised training on the labelled rows where the %s is 0', (zero) => {
    tf.tidy(() => {
      const spec = specOf({ weight: zero === 'weight' ? 0 : 10 });
      const input = inputOf(shape);
      const given = { ...givenOf(), ramp: tf.scalar(zero === 'ramp' ? 0 : 1) };
      const plain = MethodSpec.parse({ name: 'supervised', task: 'region' });
      if (plain.name !== 'supervised') throw new Error('not supervised');

      const found = valueAndGradient(() => consistency.loss(spec, model, input, given));
      const onLabels = valueAndGradient(() => supervised.loss(plain, model, firstView(input), given));

      expect(found.loss).toBe(onLabels.loss);
      expect(found.accuracy).toBe(onLabels.accuracy);
      expect([...found.gradients.keys()]).toEqual([...onLabels.gradients.keys()]);
      for (const [name, gradient] of onLabels.gradients) expect(found.gradients.get(name)).toEqual(gradient);
    });
  });

  it('adds what student and teacher disagree by, times weight and ramp', () => {
    tf.tidy(() => {
      const spec = specOf({ weight: 7, distance: 'kl' });
      const input = inputOf(shape);
      const given = { ...givenOf(), ramp: tf.scalar(0.4) };
      const withoutWeight = numberOf(consistency.loss(specOf({ weight: 0 }), model, input, given).loss);
      const disagreement = consistencyLoss(
        model.classify(firstView(input), 'region'),
        tf.softmax(average.classify(secondView(input), 'region')),
        'kl',
      );

      const { loss } = consistency.loss(spec, model, input, given);

      expect(numberOf(loss)).toBeCloseTo(withoutWeight + 0.4 * 7 * numberOf(disagreement), 4);
    });
  });

  it('asks the student itself, on the other view, where there is no teacher', () => {
    tf.tidy(() => {
      const spec = specOf({ teacher: 'none' });
      const input = inputOf(shape);

      const alone = consistency.loss(spec, model, input, { ...givenOf(), teacher: average });
      const itself = consistency.loss(specOf({}), model, input, { ...givenOf(), teacher: model });

      expect(numberOf(alone.loss)).toBe(numberOf(itself.loss));
    });
  });

  it('gives the teacher’s weights no gradient, and the student’s none through the teacher', () => {
    tf.tidy(() => {
      const input = inputOf(shape);
      const variables = average.parameters.entries().map(([, tensor]) => tensor as tf.Variable);
      const byTeacher = tf
        .engine()
        .gradients(
          () => consistency.loss(specOf({}), model, input, givenOf()).loss as tf.Tensor,
          variables,
          undefined,
          true,
        ).grads;
      expect(byTeacher.every((gradient) => !gradient)).toBe(true);

      // The student as its own teacher has the gradient that a frozen copy of it as the teacher gives.
      const copy = new Medformer(CONFIG, CODES, HEADS, { seed: 1 });
      const alone = valueAndGradient(() =>
        consistency.loss(specOf({ teacher: 'none' }), model, input, givenOf()),
      );
      const frozen = valueAndGradient(() =>
        consistency.loss(specOf({}), model, input, { ...givenOf(), teacher: copy }),
      );
      for (const [name, gradient] of frozen.gradients)
        gradient.forEach((value, at) => {
          expect(Math.abs(alone.gradients.get(name)![at]! - value)).toBeLessThan(1e-7);
        });
      copy.dispose();
    });
  });

  it('is 0 beyond the labels where both views are one and the teacher is the student', () => {
    tf.tidy(() => {
      const spec = specOf({ embeddingWeight: 3, labelSmoothing: 0.1 });
      const view = firstView(inputOf(shape));
      const both = mapInput(view, (tensor) => tf.concat([tensor, tensor]));
      const given = { ...givenOf(), teacher: model };
      const withoutWeight = consistency.loss({ ...spec, weight: 0, embeddingWeight: 0 }, model, both, given);

      expect(numberOf(consistency.loss(spec, model, both, given).loss)).toBeCloseTo(
        numberOf(withoutWeight.loss),
        5,
      );
    });
  });
});

describe('consistency of fusions', () => {
  const shape = [8, 12, 1];

  it('is that of views where each fusion is of one image', () => {
    tf.tidy(() => {
      const settings = { weight: 7, embeddingWeight: 2 };
      const input = inputOf(shape);
      const plain = consistency.loss(specOf(settings), model, input, givenOf());

      // The fusions are the images themselves; the teacher is not asked about fusions.
      const given = { ...givenOf(), ...fusing(EACH_ALONE) };
      const fused = withFusions(input, firstView(input));
      const { loss } = consistency.loss(specOf({ ...settings, target: 'fusion' }), model, fused, given);

      expect(numberOf(loss)).toBeCloseTo(numberOf(plain.loss), 5);
    });
  });

  it('is 0 where all images of a fusion are the same one and the teacher is the student', () => {
    tf.tidy(() => {
      const one = mapInput(inputOf(shape), (tensor) =>
        tf.tile(tf.slice(tensor, [0], [1]), [2 * IMAGES, ...tensor.shape.slice(1).map(() => 1)]),
      );
      const input = withFusions(one, firstView(one));
      const given = { ...givenOf(), ...fusing(MIXING), teacher: model };
      const spec = specOf({ target: 'fusion', embeddingWeight: 3 });
      const without = consistency.loss({ ...spec, weight: 0, embeddingWeight: 0 }, model, input, given);

      expect(numberOf(consistency.loss(spec, model, input, given).loss)).toBeCloseTo(
        numberOf(without.loss),
        5,
      );
    });
  });

  it('compares the student’s fusion with the teacher’s images, mixed; with both it is the mean over all rows', () => {
    tf.tidy(() => {
      const input = inputOf(shape);
      const fusions = mapInput(inputOf(shape), (tensor) => tf.reverse(tf.slice(tensor, [2], [IMAGES]), 0));
      const fused = withFusions(input, fusions);
      const given = { ...givenOf(), ...fusing(MIXING) };
      const lossOf = (settings: object) =>
        numberOf(consistency.loss(specOf(settings), model, fused, given).loss);
      const supervisedOnly = lossOf({ target: 'fusion', weight: 0 });
      const target = tf.softmax(average.classify(secondView(input), 'region')) as tf.Tensor2D;
      const ofFusions = consistencyLoss(
        model.classify(fusions, 'region'),
        tf.matMul(tf.tensor2d(MIXING), target),
        'kl',
      );
      const ofViews = consistencyLoss(model.classify(firstView(input), 'region'), target, 'kl');

      const kl = { weight: 1, distance: 'kl' };
      const [fusion, views] = [numberOf(ofFusions), numberOf(ofViews)];
      expect(lossOf({ ...kl, target: 'fusion' })).toBeCloseTo(supervisedOnly + fusion, 5);
      expect(lossOf({ ...kl, target: 'both' })).toBeCloseTo(supervisedOnly + (fusion + views) / 2, 5);
    });
  });

  it('teaches the mixture of the labels where the images have some', () => {
    tf.tidy(() => {
      const input = inputOf(shape);
      const fused = withFusions(input, secondView(input));
      const known = EACH_ALONE.map((_, at) => (at === 0 ? [0.25, 0, 0.75] : [0, 0, 0]));
      const labels = tf.tensor2d([...LABELS, ...known]);
      const given = { ...givenOf(), ...fusing(MIXING), labels };
      const { loss } = consistency.loss(specOf({ target: 'fusion', weight: 0 }), model, fused, given);

      const logits = model.classify(
        mapInput(fused, (tensor) => tf.slice(tensor, [0], [2 * IMAGES])),
        'region',
      );
      const costs = tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), labels), 1));
      expect(numberOf(loss)).toBeCloseTo(numberOf(tf.div(tf.sum(costs), 4) as tf.Scalar), 5);
    });
  });

  it.each(['mse', 'kl'])('has the gradient of finite differences, by the head’s weights: %s', (distance) => {
    tf.tidy(() => {
      const spec = specOf({ target: 'both', distance, embeddingWeight: 2, weight: 5 });
      const input = inputOf(shape);
      const fused = withFusions(input, secondView(input));
      const given = { ...givenOf(), ...fusing(MIXING), labels: tf.zeros([2 * IMAGES, 3]) };
      const named = new Map(model.parameters.entries());
      const [name, weights] = [...named].find(
        ([key, { shape }]) => key.includes('region') && shape.at(-1) === 3,
      )!;

      const { worst, largest } = gradientError(
        (moved) =>
          consistency.loss(spec, model.reading(new Map([...named, [name, moved]])), fused, given).loss,
        weights,
      );

      expect(largest).toBeGreaterThan(1e-3);
      expect(worst).toBeLessThan(0.02 * largest + 1e-4);
    });
  });
});

it('needs the moving average that is to teach, and says so', () => {
  tf.tidy(() => {
    const { labels, drawn, ramp } = givenOf();
    expect(() => consistency.loss(specOf({}), model, inputOf([8, 8, 1]), { labels, drawn, ramp })).toThrow(
      expect.objectContaining({ code: 'FAILED_PRECONDITION', message: expect.stringMatching(/^spec: ema:/) }),
    );
  });
});

it('raises the weight over the asked share of the steps', () => {
  const spec = specOf({ rampShare: 0.5 });

  expect(consistency.ramp!(spec, 1, 200)).toBeCloseTo(Math.exp(-5), 9);
  expect(consistency.ramp!(spec, 51, 200)).toBeCloseTo(Math.exp(-1.25), 9);
  expect(consistency.ramp!(spec, 101, 200)).toBe(1);
  expect(consistency.ramp!(specOf({ rampShare: 0 }), 1, 200)).toBe(1);
});

const EACH_ALONE = Array.from({ length: IMAGES }, (_, row) =>
  Array.from({ length: IMAGES }, (_, column) => Number(row === column)),
);
const MIXING = EACH_ALONE.map((_, row) =>
  Array.from({ length: IMAGES }, (_, column) =>
    column === row ? 0.6 : column === (row + 2) % IMAGES ? 0.4 : 0,
  ),
);

/** What a loss is given of fusions without labels. */
const fusing = (mixing: number[][]) => ({
  drawn: { mixing: tf.tensor2d(mixing) },
  labels: tf.concat([tf.tensor2d(LABELS), tf.zeros([mixing.length, LABELS[0]!.length])]),
});

/** Each view of the images, followed by the fusions: the second view of these is never looked at. */
function withFusions(input: ModelInput, fusions: ModelInput): ModelInput {
  const joined = (of: (input: ModelInput) => tf.Tensor) =>
    tf.concat([of(firstView(input)), of(fusions), of(secondView(input)), tf.mul(of(fusions), Number.NaN)]);
  return {
    x: joined(({ x }) => x),
    modality: joined((of) => of.modality),
    bodyPart: joined((of) => of.bodyPart),
  };
}

type ConsistencySpec = Extract<MethodSpec, { name: 'consistency' }>;

function specOf(settings: object): ConsistencySpec {
  return MethodSpec.parse({ name: 'consistency', task: 'region', ...settings }) as ConsistencySpec;
}

const givenOf = (): LossInput => ({
  labels: tf.tensor2d(LABELS),
  drawn: {},
  teacher: average,
  ramp: tf.scalar(1),
});

function inputOf(shape: number[]): ModelInput {
  const rng = Rng.of('consistency method', ...shape);
  const length = 2 * IMAGES * shape.reduce((product, edge) => product * edge, 1);
  const pixels = Float32Array.from({ length }, () => rng.uniform());
  return model.prepare(tf.tensor(pixels, [2 * IMAGES, ...shape]), {});
}

function mapInput({ x, modality, bodyPart }: ModelInput, by: (tensor: tf.Tensor) => tf.Tensor): ModelInput {
  return { x: by(x), modality: by(modality), bodyPart: by(bodyPart) };
}

const viewOf = (input: ModelInput, view: number) => mapInput(input, (tensor) => tf.split(tensor, 2)[view]!);
const firstView = (input: ModelInput) => viewOf(input, 0);
const secondView = (input: ModelInput) => viewOf(input, 1);

function valueAndGradient(compute: () => MethodLoss) {
  let accuracy = Number.NaN;
  const named = model.parameters.entries();
  const { value, grads } = tf.engine().gradients(
    () => {
      const { loss, accuracy: share } = compute();
      accuracy = share!.dataSync()[0]!;
      return loss as tf.Tensor;
    },
    named.map(([, tensor]) => tensor),
    undefined,
    true,
  );
  const gradients = new Map(
    named.flatMap(([name], at): [string, number[]][] =>
      grads[at] ? [[name, [...grads[at].dataSync()]]] : [],
    ),
  );
  return { loss: value.dataSync()[0]!, accuracy, gradients };
}

const numberOf = (scalar: tf.Scalar) => scalar.dataSync()[0]!;
