import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FusionSource } from '../fusion-source.js';
import { scans } from '../testing/scans.js';
import { TINY, train } from '../testing/train.js';
import type { GeneratorState } from './train-generator.js';

beforeAll(async () => {
  await useBackend();
});

describe('training a generator', () => {
  it('is the same to the bit when it is interrupted and goes on', async () => {
    const images = scans(5, [13, 14]);
    const whole = await train(TINY, images);
    const stop = new AbortController();
    const kept: GeneratorState[] = [];
    const interrupted = train(TINY, images, {
      signal: stop.signal,
      onStep: ({ step }) => {
        if (step === 3) stop.abort();
      },
      onCheckpoint: async (state) => {
        kept.push(state);
      },
    });

    await expect(interrupted).rejects.toMatchObject({
      code: 'CANCELLED',
      message: 'generator: stopped after step 3 of 6; start it again to go on',
    });
    expect(kept.map(({ step }) => step)).toEqual([2, 3]);

    const resumed = await train(TINY, images.toReversed(), { resume: kept[1]! });
    expect(resumed).toEqual(whole);
    expect(whole.history.length).toBe(6);
  });

  it('differs by the seed', async () => {
    const images = scans(5, [12, 12]);
    const [a, b] = [await train(TINY, images), await train({ ...TINY, seed: 4 }, images)];

    expect(a.history[0]!.loss).not.toBe(b.history[0]!.loss);
  });

  it('says which step lost its way and hands nothing of it on', async () => {
    const kept: number[] = [];
    const wild = {
      ...TINY,
      steps: 40,
      optimiser: { ...TINY.optimiser, learningRate: 1e30, clipNorm: 0, warmupSteps: 0 },
    };
    const lost = train(wild, scans(5, [12, 12]), {
      onCheckpoint: async ({ step, weights }) => {
        kept.push(step);
        for (const { data } of weights.values()) expect(data.every(Number.isFinite)).toBe(true);
      },
    });

    await expect(lost).rejects.toThrow(/^generator: step \d+: loss \S+, gradient norm \S+: not finite$/);
  });

  it('refuses scans that nobody could fuse, or of grey and colour', async () => {
    await expect(train(TINY, scans(1, [12, 12]))).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await expect(train({ ...TINY, axes: 3 }, scans(5, [12, 12]))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    const colour = scans(3, [12, 36]).map(
      (image): FusionSource => ({ ...image, record: { ...image.record, shape: [12, 12, 3] } }),
    );
    await expect(train(TINY, [...scans(3, [12, 12]), ...colour])).rejects.toThrow(
      'generator: channels: expected one number for all scans, found 1, 3',
    );
  });

  it('refuses to go on from something else', async () => {
    const images = scans(4, [12, 12]);
    const state = await train(TINY, images);

    await expect(
      train({ ...TINY, network: { width: 6, levels: 1 } }, images, { resume: state }),
    ).rejects.toMatchObject({
      code: 'DATA_LOSS',
    });
  });

  it('leaves no tensor behind, whether it ends well or not', async () => {
    const images = scans(4, [12, 12]);
    await train(TINY, images);
    const before = tf.memory().numTensors;
    await train(TINY, images);
    await train({ ...TINY, network: { width: 6, levels: 1 } }, images, {
      resume: await train(TINY, images),
    }).catch(() => {});

    expect(tf.memory().numTensors).toBe(before);
  });
});
