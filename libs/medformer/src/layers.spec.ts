import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attention, dense, gelu, layerNorm, mlp } from './layers.js';
import { Parameters } from './parameters.js';

let parameters: Parameters;

beforeAll(async () => {
  await useBackend();
});
beforeEach(() => {
  parameters = new Parameters({ seed: 3 });
});
afterEach(() => {
  parameters.dispose();
});

describe('dense', () => {
  it.each([[[4, 3]], [[2, 4, 3]], [[2, 5, 4, 3]]])('is x W + b over the last axis of %j', (shape) => {
    const x = random(shape);
    const y = dense(parameters, 'layer', x, 5);
    setTo('layer/bias', random([5], 9));

    expectClose(dense(parameters, 'layer', x, 5), matrixTimes(x, of('layer/weight'), 3, 5, of('layer/bias')));
    expect(y.shape).toEqual([...shape.slice(0, -1), 5]);
  });
});

describe('layer normalisation', () => {
  it('is (x - mean) / sqrt(variance + 1e-5) times gain plus bias', () => {
    const x = random([3, 4, 6], 1, 5);
    layerNorm(parameters, 'norm', x);
    setTo('norm/gain', random([6], 2));
    setTo('norm/bias', random([6], 3));
    const [gain, bias] = [of('norm/gain'), of('norm/bias')];

    const expected = rowsOf(x, 6).flatMap((row) => {
      const mean = row.reduce((sum, value) => sum + value, 0) / 6;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 6;
      return row.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * gain[i]! + bias[i]!);
    });
    expectClose(layerNorm(parameters, 'norm', x), expected);
  });

  it('starts as the identity on rows that are normal already, and stays finite on a constant row', () => {
    const x = tf.tensor2d([
      [1, -1, 1, -1],
      [7, 7, 7, 7],
    ]);

    expectClose(layerNorm(parameters, 'norm', x), [1, -1, 1, -1, 0, 0, 0, 0], 1e-5);
  });
});

describe('GELU', () => {
  it('is x Phi(x), from far left to far right', () => {
    const x = Array.from({ length: 81 }, (_, i) => (i - 40) / 5);

    expectClose(
      gelu(tf.tensor1d(x)),
      x.map((value) => value * normalCdf(value)),
    );
  });
});

describe('the multi-layer perceptron', () => {
  it('is dense, GELU, dense', () => {
    const x = random([2, 3, 4]);
    const y = mlp(parameters, 'mlp', x, 7);

    const hidden = matrixTimes(x, of('mlp/expand/weight'), 4, 7, of('mlp/expand/bias'));
    const bent = tf.tensor2d(
      hidden.map((value) => value * normalCdf(value)),
      [6, 7],
    );
    expectClose(y, matrixTimes(bent, of('mlp/contract/weight'), 7, 4, of('mlp/contract/bias')));
  });
});

describe('attention', () => {
  const [batch, queryCount, tokenCount, width, heads] = [2, 3, 5, 8, 2] as const;

  it('weighs tokens so that every row sums to 1, also for large logits', () => {
    for (const scale of [1, 300]) {
      const queries = random([batch, queryCount, width], 1, scale);
      const tokens = random([batch, tokenCount, width], 2, scale);
      const { weights, read } = attention(parameters, `scale-${scale}`, queries, tokens, heads);

      expect(weights.shape).toEqual([batch, heads, queryCount, tokenCount]);
      expectClose(tf.sum(weights, -1), Array(batch * heads * queryCount).fill(1));
      expect(read.shape).toEqual([batch, queryCount, width]);
      expect([...read.dataSync()].every(Number.isFinite)).toBe(true);
    }
  });

  it.each([[false], [true]])('reads as a loop over heads, queries and tokens does; biased: %s', (biased) => {
    const queries = random([batch, queryCount, width], 1);
    const tokens = random([batch, tokenCount, width], 2);
    const bias = biased ? random([heads, queryCount, tokenCount], 4, 2) : undefined;
    const { read, weights } = attention(parameters, 'attention', queries, tokens, heads, bias);

    const expected = attentionByLoops(queries, tokens, bias);
    expectClose(weights, expected.weights);
    expectClose(read, expected.read);
  });

  function attentionByLoops(queries: tf.Tensor, tokens: tf.Tensor, bias: tf.Tensor | undefined) {
    const project = (x: tf.Tensor, name: string) =>
      matrixTimes(x, of(`attention/${name}/weight`), width, width, of(`attention/${name}/bias`));
    const [q, k, v] = [project(queries, 'query'), project(tokens, 'key'), project(tokens, 'value')];
    const added = bias ? [...bias.dataSync()] : undefined;
    const perHead = width / heads;
    const weights: number[] = [];
    const mixed = new Float64Array(batch * queryCount * width);
    for (let b = 0; b < batch; b += 1) {
      for (let head = 0; head < heads; head += 1) {
        for (let i = 0; i < queryCount; i += 1) {
          const logits = Array.from({ length: tokenCount }, (_, j) => {
            let dot = 0;
            for (let d = head * perHead; d < (head + 1) * perHead; d += 1) {
              dot += q[(b * queryCount + i) * width + d]! * k[(b * tokenCount + j) * width + d]!;
            }
            return dot / Math.sqrt(perHead) + (added?.[(head * queryCount + i) * tokenCount + j] ?? 0);
          });
          const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
          const row = logits.map((logit) => Math.exp(logit) / total);
          weights.push(...row);
          for (let d = head * perHead; d < (head + 1) * perHead; d += 1) {
            row.forEach((weight, j) => {
              mixed[(b * queryCount + i) * width + d]! += weight * v[(b * tokenCount + j) * width + d]!;
            });
          }
        }
      }
    }
    const read = tf.tensor3d([...mixed], [batch, queryCount, width]);
    return {
      weights,
      read: matrixTimes(read, of('attention/out/weight'), width, width, of('attention/out/bias')),
    };
  }
});

function random(shape: number[], seed = 0, scale = 1): tf.Tensor {
  const rng = Rng.of('layers', seed, ...shape);
  const length = shape.reduce((product, edge) => product * edge, 1);
  return tf.tensor(
    Array.from({ length }, () => rng.normal(0, scale)),
    shape,
  );
}

function of(name: string): number[] {
  const found = parameters.entries().find(([known]) => known === name);
  if (!found) throw new Error(`no parameter ${name}`);
  return [...found[1].dataSync()];
}

function setTo(name: string, value: tf.Tensor): void {
  const [, parameter] = parameters.entries().find(([known]) => known === name)!;
  (parameter as tf.Variable).assign(value);
}

function rowsOf(x: tf.Tensor, width: number): number[][] {
  const values = [...x.dataSync()];
  return Array.from({ length: values.length / width }, (_, row) =>
    values.slice(row * width, (row + 1) * width),
  );
}

/** x W + b in float64. */
function matrixTimes(x: tf.Tensor, weight: number[], from: number, to: number, bias: number[]): number[] {
  return rowsOf(x, from).flatMap((row) =>
    Array.from({ length: to }, (_, j) =>
      row.reduce((sum, value, i) => sum + value * weight[i * to + j]!, bias[j]!),
    ),
  );
}

/** The standard normal distribution by Simpson's rule. */
function normalCdf(x: number): number {
  const steps = 2000;
  const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(x);
  for (let i = 1; i < steps; i += 1) sum += density((x * i) / steps) * (i % 2 === 1 ? 4 : 2);
  return 0.5 + (sum * x) / steps / 3;
}

function expectClose(found: tf.Tensor, expected: number[], tolerance = 1e-5): void {
  const values = [...found.dataSync()];
  expect(values.length).toBe(expected.length);
  const worst = Math.max(...values.map((value, at) => Math.abs(value - expected[at]!)));
  expect(worst).toBeLessThan(tolerance);
}
