import { RunSpec, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { expectedLossOf, expectedOfBatch, warnOfStart } from './expected-loss.js';

const specOf = (method: object, change: object = {}) =>
  RunSpec.parse({ dataset: sha256('d'), method, steps: 1, batchSize: 64, codeVersion: '1', ...change });
const SIMCLR = { name: 'simclr', temperature: 0.2 };
const group = (images: number) => ({
  shape: [8, 8, 1],
  pixels: new Uint8Array(),
  records: Array.from({ length: images }) as never[],
});

describe('the expected loss of a run', () => {
  it.each([
    ['the batch', 64, {}, 100],
    ['the images there are, where they are fewer', 30, {}, 30],
    ['a part of the batch, which sees its own negatives only', 16, { accumulate: 4 }, 100],
  ])('is of %s', (_, images, change, there) => {
    const { start } = expectedLossOf(specOf(SIMCLR, change), [group(5), group(there)], []);

    expect(start).toBe(Math.log(2 * images - 1));
  });

  it('is of the classes of the task', () => {
    const heads = [{ task: 'region', classes: 10 }];

    expect(expectedOfBatch(specOf({ name: 'supervised', task: 'region' }), 8, heads).start).toBe(
      Math.log(10),
    );
  });
});

describe('the first loss', () => {
  it.each([
    // Measured with random weights on the phantom cohort: the lowest and the highest of each method.
    ['simclr', SIMCLR, 3.3602, 5.4444],
    ['barlow-twins', { name: 'barlow-twins' }, 32, 256.2],
    ['jigsaw', { name: 'jigsaw' }, 4.6052, 4.6052],
    ['image-gpt', { name: 'image-gpt' }, 5.5452, 5.5452],
    ['mae', { name: 'mae' }, 0.3, 0.8943],
    ['supervised', { name: 'supervised', task: 'region' }, 2.2982, 3.668],
  ] as [string, object, number, number][])(
    'of %s as it was measured raises no warning',
    (_, method, ...losses) => {
      const spec = specOf(method);
      const expected = expectedOfBatch(spec, 64, [{ task: 'region', classes: 10 }]);

      expect(losses.map((loss) => warnOfStart(spec, loss, expected))).toEqual([undefined, undefined]);
    },
  );

  it.each([
    ['a sum over views in place of a mean', SIMCLR, 2 * 64 * Math.log(127)],
    ['a loss that is told the answer', SIMCLR, 0.5],
    ['a cross-correlation that is not divided by the images', { name: 'barlow-twins' }, 64 ** 2 * 160],
    ['an off-diagonal without lambda', { name: 'barlow-twins' }, 250 + (256 * 255) / 64],
    ['one class too many', { name: 'jigsaw' }, Math.log(101)],
    ['logarithms of base 2', { name: 'image-gpt' }, 8],
    ['targets that are not standardised', { name: 'mae' }, 1.4],
    ['pixels up to 255 in the logits', { name: 'supervised', task: 'region' }, 40],
    ['labels among the inputs', { name: 'supervised', task: 'region' }, 0.05],
  ])('of %s raises one', (_, method, loss) => {
    const spec = specOf(method);
    const expected = expectedOfBatch(spec, 64, [{ task: 'region', classes: 10 }]);

    expect(warnOfStart(spec, loss, expected)).toMatch(
      /^step 1: loss [\d.]+, where [a-z-]+ with random weights starts between/,
    );
  });

  it('is not judged where nothing is known of it', () => {
    const spec = specOf({ name: 'mae', normPix: false });

    expect(warnOfStart(spec, 1e6, expectedOfBatch(spec, 64, []))).toBeUndefined();
  });
});
