import { type ImageRecord, Rng, RunSpec, type Split, sha256 } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { isMonitored, type MonitoredImages, OnlineEvaluation } from './online-evaluation.js';
import { type RunState, type StepReport, type TrainRun, trainRun } from './train-run.js';
import type { TrainingGroup } from './training-group.js';

const SPACE = { task: 'brightness', kind: 'multi-class' as const, classes: ['dark', 'grey', 'bright'] };
const MONITOR = { task: 'brightness', every: 2, protocols: ['knn', 'linear-probe'] };

let images: MonitoredImages;

beforeAll(async () => {
  await useBackend();
  images = { space: SPACE, train: [groupOf('train', 24)], validation: [groupOf('val', 15)] };
});

describe('online evaluation', () => {
  it('scores the features of validation images by those of training images', async () => {
    const online = evaluation({});
    const before = tf.memory().numTensors;

    // Brightness, which is the class, as a direction.
    const seeing = await online.score((pixels) => {
      const angle = tf.mul(tf.mean(pixels, [1, 2, 3]), 3);
      return tf.stack([tf.cos(angle), tf.sin(angle)], 1);
    });
    const blind = await online.score((pixels) => tf.ones([pixels.shape[0]!, 2]));

    expect(seeing).toEqual({
      knn: { accuracy: 1, auc: 1 },
      'linear-probe': { accuracy: 1, auc: 1 },
    });
    expect(blind.knn!.auc).toBe(0.5);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('draws as many validation images as it may score, always the same', async () => {
    const seen = async (limit: number) => {
      const means: number[] = [];
      await evaluation({ images: limit }).score((pixels) => {
        const mean = tf.reshape(tf.mean(pixels, [1, 2, 3]), [-1, 1]);
        means.push(...mean.dataSync());
        return mean;
      });
      return means.slice(24);
    };

    expect((await seen(6)).length).toBe(6);
    expect(await seen(6)).toEqual(await seen(6));
    expect((await seen(100)).length).toBe(15);
  });

  it('is due every so many steps and after the last', () => {
    const spec = { monitor: { every: 4 }, steps: 10 } as RunSpec;

    expect([1, 4, 8, 9, 10].filter((step) => isMonitored(spec, step))).toEqual([4, 8, 10]);
  });

  it('refuses a split in which there is nothing to tell apart', () => {
    const none = () => evaluation({}, {}, { ...images, validation: [] });
    const [train] = images.train;
    const dark = {
      ...train!,
      records: train!.records.map((record) => ({ ...record, labels: { brightness: 0 } })),
    };

    expect(none).toThrow(
      'monitor.task: brightness: expected labelled images of at least two classes in the val split, found 0',
    );
    expect(() => evaluation({}, {}, { ...images, train: [dark] })).toThrow('in the train split, found 1');
  });
});

describe('a monitored run', () => {
  it('is to the last bit the run that is not monitored', async () => {
    const plain = await run(specOf({ steps: 5 }));
    const monitored = await run(specOf({ steps: 5, monitor: MONITOR }));

    expect(monitored.state.history.map(({ online, ...entry }) => entry)).toEqual(plain.state.history);
    expect(monitored.state.history.flatMap(({ step, online }) => (online ? [step] : []))).toEqual([2, 4, 5]);
    expect(monitored.state.weights).toEqual(plain.state.weights);
    expect(monitored.state.optimiser).toEqual(plain.state.optimiser);
    expect(monitored.reports.map(({ onlineMs }) => onlineMs !== undefined)).toEqual([
      false,
      true,
      false,
      true,
      true,
    ]);
  });

  it('scores the moving average of the weights, where the run keeps one', async () => {
    const spec = { steps: 4, monitor: MONITOR, optimiser: { learningRate: 0.05, warmupSteps: 0 } };
    const raw = await run(specOf(spec));
    const averaged = await run(specOf({ ...spec, ema: { decay: 0.999, ramp: 'constant' } }));
    const untrained = await run(specOf({ ...spec, optimiser: { learningRate: 1e-12, warmupSteps: 0 } }));

    // At this decay the average is still about where it began.
    expect(averaged.state.history.at(-1)!.online).toEqual(untrained.state.history.at(-1)!.online);
    expect(raw.state.weights.get('body/norm/gain')).not.toEqual(averaged.state.weights.get('body/norm/gain'));
  });

  it('ends where its scores have stopped rising, and resumed at the same step with the same history', async () => {
    const spec = specOf({
      steps: 30,
      checkpointEvery: 3,
      monitor: MONITOR,
      // Nothing rises by as much: the run ends one patience after its first score.
      earlyStop: { metric: 'knn-accuracy', patience: 4, minDelta: 1 },
    });
    const unbroken = await run(spec);

    expect(unbroken.state.step).toBe(6);
    expect(unbroken.states.map(({ step }) => step)).toEqual([3, 6]);
    const resumed = await run(spec, { resume: unbroken.states[0]! });
    expect(resumed.reports.map(({ step }) => step)).toEqual([4, 5, 6]);
    expect(resumed.state.history).toEqual(unbroken.state.history);
    const again = await run(spec, { resume: unbroken.state });
    expect(again.reports).toEqual([]);
    expect(again.state.step).toBe(6);
  });

  it('ends where its loss has stopped falling, with a checkpoint', async () => {
    const spec = specOf({
      steps: 30,
      checkpointEvery: 100,
      earlyStop: { patience: 2, window: 3, minDelta: 100 },
    });
    const { state, states } = await run(spec);

    expect(state.step).toBe(5);
    expect(states.map(({ step }) => step)).toEqual([5]);
  });

  it('needs images', async () => {
    const { monitored: _, ...without } = given(specOf({ steps: 1, monitor: MONITOR }));

    await expect(trainRun(without)).rejects.toThrow('the run was given no images to monitor');
  });
});

function evaluation(monitor: object, change: object = {}, of: MonitoredImages = images): OnlineEvaluation {
  const spec = specOf({ steps: 10, monitor: { ...MONITOR, ...monitor }, ...change });
  return new OnlineEvaluation(spec, spec.monitor!, of);
}

async function run(spec: RunSpec, change: Partial<TrainRun> = {}) {
  const states: RunState[] = [];
  const reports: StepReport[] = [];
  const state = await trainRun({
    ...given(spec),
    onStep: (report) => reports.push(report),
    onCheckpoint: async (reached) => void states.push(reached),
    ...change,
  });
  return { state, states, reports };
}

function given(spec: RunSpec): TrainRun {
  return {
    spec,
    groups: images.train,
    codes: { modalities: [], bodyParts: [], tasks: [] },
    heads: [],
    monitored: images,
    signal: new AbortController().signal,
    onStep: () => {},
    onCheckpoint: async () => {},
    onWarning: (message) => {
      throw new Error(message);
    },
  };
}

function specOf(change: object): RunSpec {
  return RunSpec.parse({
    dataset: sha256('brightness'),
    method: { name: 'simclr', projection: [8, 8] },
    model: { width: 12, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 4, frequencies: 2 },
    batchSize: 8,
    codeDropout: { modality: 1, bodyPart: 1 },
    codeVersion: 'test',
    ...change,
  });
}

/** Images of noise around one of three levels of brightness. */
function groupOf(split: Split, count: number): TrainingGroup {
  const shape = [8, 8, 1];
  const pixels = new Uint8Array(count * 64);
  const records = Array.from({ length: count }, (_, row): ImageRecord => {
    const rng = Rng.of('brightness', split, row);
    for (let at = 0; at < 64; at += 1) pixels[row * 64 + at] = 40 + 80 * (row % 3) + rng.uniform(0, 20);
    return {
      id: sha256(`${split} ${row}`).slice(0, 16),
      subject: `s${row}`,
      split,
      modality: 'ct',
      bodyPart: 'chest',
      shape,
      pixelType: 'uint8',
      labels: { brightness: row % 3 },
      source: sha256('x'),
      tensor: 't',
      row,
    };
  });
  return { shape, pixels, records };
}
