import { readFileSync } from 'node:fs';
import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, tensorsLeft } from '../testing/gradient-check.js';
import { nextToken } from './next-token.js';

interface Case {
  images: number;
  tokens: number;
  codes: number;
  logits: number[];
  ids: number[];
  loss: number;
  accuracy: number;
  gradient: number[];
}

// Written by tools/golden/ssl-consistency.py.
const golden: { nextToken: Case[] } = JSON.parse(
  readFileSync(new URL('../../golden/ssl-image-gpt.json', import.meta.url), 'utf8'),
);

beforeAll(async () => {
  await useBackend();
});

describe('the next-token loss', () => {
  it.each(golden.nextToken)('is what PyTorch gives for a GPT: $tokens tokens, $codes codes', (one) => {
    const logits = tf.tensor3d(one.logits, [one.images, one.tokens, one.codes]);
    const ids = tf.tensor1d(one.ids, 'int32');

    const { loss, accuracy } = nextToken(logits, ids);

    expect(numberOf(loss)).toBeCloseTo(one.loss, 5);
    expect(numberOf(accuracy)).toBeCloseTo(one.accuracy, 6);
    const gradient = [
      ...tf
        .grad((x: tf.Tensor) => nextToken(x, ids).loss)(logits)
        .dataSync(),
    ];
    expect(Math.max(...gradient.map((value, at) => Math.abs(value - one.gradient[at]!)))).toBeLessThan(1e-6);
  });

  it.each([2, 16, 256])('is ln V while nothing is known, V = %i', (codes) => {
    const { loss } = nextToken(tf.zeros([2, 3, codes]), tf.tensor1d([0, 1, 0, 1, 1, 0], 'int32'));

    expect(numberOf(loss)).toBeCloseTo(Math.log(codes), 5);
  });

  it('is 0 with accuracy 1 where every token is certain and right', () => {
    const ids = tf.tensor1d([2, 0, 1, 1], 'int32');
    const logits = tf.reshape(tf.mul(tf.oneHot(ids, 3).toFloat(), 100), [2, 2, 3]);

    expect(numberOf(nextToken(logits, ids).loss)).toBeCloseTo(0, 6);
    expect(numberOf(nextToken(logits, ids).accuracy)).toBe(1);
  });

  it('has the gradient of finite differences and leaves no tensor behind', () => {
    const rng = Rng.of('next-token');
    const logits = tf.tensor3d(
      Float32Array.from({ length: 24 }, () => rng.normal()),
      [2, 3, 4],
    );
    const ids = tf.tensor1d([0, 3, 2, 2, 1, 0], 'int32');

    const { worst, largest } = gradientError((x) => nextToken(x, ids).loss, logits);

    expect(largest).toBeGreaterThan(0.05);
    expect(worst).toBeLessThan(1e-3 * largest);
    expect(tensorsLeft(() => tf.tidy(() => nextToken(logits, ids).loss))).toBe(0);
    expect(tensorsLeft(() => tf.grad((x: tf.Tensor) => nextToken(x, ids).loss)(logits))).toBe(0);
  });
});

const numberOf = (scalar: tf.Scalar) => scalar.dataSync()[0]!;
