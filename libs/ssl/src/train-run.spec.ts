import { Medformer, transferredWeights } from '@medformer/medformer';
import { isNamed, optimiserOf, ParameterLayout, runRateAt } from '@medformer/optimisers';
import {
  decodeSafetensors,
  encodeSafetensors,
  type ImageRecord,
  KeepSpec,
  type LoadReport,
  Rng,
  type RunSpec,
  type StoredTensor,
  sha256,
} from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeBatches } from './batch.js';
import { BatchPlan } from './batch-plan.js';
import { methodOf } from './methods/registry.js';
import { patternSpec } from './testing/patterns.js';
import { type RunState, type StepReport, type TrainRun, trainRun } from './train-run.js';
import { trainStep } from './train-step.js';
import type { TrainingGroup } from './training-group.js';

const CODES = { modalities: ['ct', 'mri'], bodyParts: [], tasks: ['pattern'] };
const HEADS = [{ task: 'pattern', classes: 3 }];
const SIMCLR = specOf({ method: { name: 'simclr', projection: [16, 8], batching: 'mixed' } });
const SUPERVISED = specOf({ method: { name: 'supervised', task: 'pattern' } });

beforeAll(async () => {
  await useBackend();
});

describe('a training run', () => {
  it.each([
    ['simclr', SIMCLR],
    ['barlow-twins', specOf({ method: { name: 'barlow-twins', projection: [16, 8], batching: 'mixed' } })],
    ['supervised', SUPERVISED],
  ])('computes what the step computes op by op: %s', async (_, spec) => {
    const { state, reports } = await run({ spec: { ...spec, steps: 5 } });
    const eager = eagerly({ ...spec, steps: 5 });

    expect(reports.every(({ recorded }) => recorded)).toBe(true);
    eager.losses.forEach((loss, index) => {
      // The same function at the same weights; from then on rounding grows with the steps.
      expect(Math.abs(state.history[index]!.loss / loss - 1)).toBeLessThan(index === 0 ? 1e-5 : 1e-3);
    });
    expect(meanSquare(state.weights, eager.weights)).toBeLessThan(1e-8);
  });

  it('goes on from any checkpoint to the same history and the same bytes', async () => {
    const spec = { ...SIMCLR, steps: 8, checkpointEvery: 3 };
    const groups = [groupOf([8, 8, 1], 20), groupOf([4, 8, 8, 1], 9)];
    const unbroken = await run({ spec, groups });

    expect(unbroken.states.map(({ step }) => step)).toEqual([3, 6, 8]);
    for (const state of unbroken.states.slice(0, -1)) {
      const resumed = await run({ spec, groups, resume: throughBytes(state) });

      expect(resumed.state.history).toEqual(unbroken.state.history);
      expect(bytesOf(resumed.state)).toEqual(bytesOf(unbroken.state));
      expect(resumed.reports[0]?.step).toBe(state.step + 1);
    }
  });

  it.each([
    ['adam', ['m', 'v']],
    ['sgd', ['momentum']],
    ['lars', ['momentum']],
  ])('trains by %s, and goes on to the same bytes', async (name, slots) => {
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    const spec = specOf({ ...SIMCLR, optimiser: { name, warmupSteps: 0 }, steps: 4, checkpointEvery: 2 });
    const unbroken = await run({ spec, onWarning });
    const resumed = await run({ spec, resume: throughBytes(unbroken.states[0]!), onWarning });

    expect(new Set([...unbroken.state.optimiser.keys()].map((key) => key.split('/')[0]))).toEqual(
      new Set(slots),
    );
    expect(bytesOf(unbroken.states[0]!)).not.toEqual(bytesOf(unbroken.state));
    expect(bytesOf(resumed.state)).toEqual(bytesOf(unbroken.state));
    expect(warnings).toEqual([]);
  });

  it('refuses a pattern of weight decay that fits no parameter', async () => {
    const spec = specOf({ ...SIMCLR, optimiser: { decayed: ['*/weight', '!*/wieght'] } });

    await expect(run({ spec })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'optimiser.decayed.1: !*/wieght fits no parameter',
    });
  });

  it('is done at once when it resumes at its end', async () => {
    const { state } = await run({ spec: { ...SIMCLR, steps: 2 } });

    const again = await run({ spec: { ...SIMCLR, steps: 2 }, resume: state });

    expect(again.reports).toEqual([]);
    expect(again.states).toEqual([]);
    expect(bytesOf(again.state)).toEqual(bytesOf(state));
  });

  it('hands over the state it reached when it is told to stop, and goes on from there to the same end', async () => {
    const spec = { ...SIMCLR, steps: 6, checkpointEvery: 100 };
    const stop = new AbortController();
    const states: RunState[] = [];
    const stopped = trainRun({
      ...callbacks(spec, { states }),
      signal: stop.signal,
      onStep: ({ step }) => step === 3 && stop.abort(),
    });

    await expect(stopped).rejects.toMatchObject({
      code: 'CANCELLED',
      message: 'stopped after step 3 of 6; start it again to go on',
    });
    expect(states.map(({ step }) => step)).toEqual([3]);
    const resumed = await run({ spec, resume: states[0]! });
    expect(bytesOf(resumed.state)).toEqual(bytesOf((await run({ spec })).state));
  });

  it('stops where the loss is no number, naming the step, and keeps no such state', async () => {
    const spec = specOf({
      method: { name: 'simclr', projection: [16, 8] },
      optimiser: { learningRate: 1e30, warmupSteps: 0, clipNorm: 0 },
      checkpointEvery: 1,
      steps: 9,
    });
    const states: RunState[] = [];

    await expect(trainRun(callbacks(spec, { states }))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/^step [2-9]: loss .*, gradient norm .*: not finite$/),
    });
    expect(states.every(({ history }) => history.every(({ loss }) => Number.isFinite(loss)))).toBe(true);
  });

  it('refuses to train on nothing', async () => {
    await expect(run({ spec: SIMCLR, groups: [] })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'the dataset has no image to train on',
    });
  });

  it('learns a class that is plain to see', async () => {
    const { state } = await run({ spec: { ...SUPERVISED, steps: 60 }, groups: [groupOf([12, 12, 1], 60)] });

    const last = state.history.slice(-15);
    const accuracy = last.reduce((sum, entry) => sum + entry.accuracy!, 0) / last.length;
    expect(accuracy).toBeGreaterThan(0.8);
    expect(meanLoss(last)).toBeLessThan(0.7 * meanLoss(state.history.slice(0, 3)));
  });

  it('starts SimCLR near ln(2N - 1) and lowers it', async () => {
    // At a high temperature random similarities weigh little.
    const spec = specOf({
      method: { name: 'simclr', temperature: 0.5, batching: 'mixed' },
      optimiser: { learningRate: 2e-3, warmupSteps: 10 },
      batchSize: 24,
      steps: 100,
    });
    const { state } = await run({ spec, groups: [groupOf([12, 12, 1], 60)] });

    const chance = methodOf(spec.method).expected(spec.method, spec.batchSize, []).start!;
    expect(state.history[0]!.loss).toBeGreaterThan(0.8 * chance);
    expect(state.history[0]!.loss).toBeLessThan(1.3 * chance);
    expect(meanLoss(state.history.slice(-20))).toBeLessThan(0.95 * meanLoss(state.history.slice(0, 20)));
    expect(state.history.every(({ embeddingStd }) => embeddingStd! > 0 && embeddingStd! <= 1)).toBe(true);
  });

  it('draws its views as it is asked to', async () => {
    const still = {
      cropScale: [1, 1],
      cropAspect: [1, 1],
      rotation: [0, 0],
      flip: [0, 0],
      invert: 0,
      curve: 0,
    };
    const plain = {
      contrast: [1, 1],
      brightness: [0, 0],
      gamma: [1, 1],
      biasField: [0, 0],
      blur: 0,
      noise: [0, 0],
    };
    const spec = specOf({
      method: { name: 'simclr', projection: [16, 8], batching: 'mixed' },
      views: { ...still, ...plain },
      codeDropout: { modality: 1 },
      steps: 1,
    });
    const own = await run({ spec });
    const usual = await run({ spec: { ...SIMCLR, steps: 1 } });

    // Both views are the image itself: the positive pair is as near as it can be.
    expect(own.state.history[0]!.loss).toBeLessThan(usual.state.history[0]!.loss);
  });

  it('leaves alone what its images do not touch', async () => {
    const { state } = await run({ spec: { ...SIMCLR, steps: 3 } });
    const model = new Medformer(SIMCLR.model, CODES, HEADS, { seed: SIMCLR.seed });
    const start = model.parameters.toStored();
    model.dispose();
    const changed = [...start].flatMap(([name, { data }]) =>
      Buffer.compare(bufferOf(data), bufferOf(state.weights.get(name)!.data)) === 0 ? [] : [name],
    );

    expect(changed.some((name) => name.includes('patch-embed-2d'))).toBe(true);
    expect(changed.filter((name) => name.includes('3d') || name.startsWith('output/heads'))).toEqual([]);
  });

  describe('that starts from another checkpoint', () => {
    // The learning rate of a run's only step is its final one: nothing moves.
    const spec = { ...SIMCLR, steps: 1, optimiser: { ...SIMCLR.optimiser, finalLearningRate: 0 } };
    let weights: Map<string, StoredTensor>;
    const initialOf = (changed: Map<string, StoredTensor>, allow: string[] = []) => ({
      checkpoint: 'other',
      transfer: transferredWeights({ codes: CODES }, changed, CODES),
      allow,
    });
    beforeAll(async () => {
      weights = (await run({ spec: { ...SIMCLR, steps: 2 } })).state.weights;
    });

    it('takes its weights, and says of each tensor what became of it', async () => {
      const reports: LoadReport[] = [];
      const { state } = await run({
        spec,
        initial: initialOf(weights),
        onLoaded: (report) => reports.push(report),
      });

      const own = [...weights.keys()].filter((name) => /^method|^output.(heads|task)/.test(name));
      const body = [...weights.keys()].filter((name) => !own.includes(name));
      for (const name of body) expect(state.weights.get(name)!.data).toEqual(weights.get(name)!.data);
      const [report] = reports;
      expect(report!.matched.map(({ name }) => name)).toEqual(body);
      expect(report!.leftBehind.map(({ name }) => name)).toEqual(own);
      expect(report!.fresh.map(({ name }) => name)).toEqual(own);
      expect([report!.missing, report!.unexpected, report!.misshapen, report!.reshaped].flat()).toEqual([]);
    });

    it('fails before its first step when a tensor is missing, misshapen or unknown, unless the spec allows it', async () => {
      const changed = new Map(weights);
      changed.delete('body/norm/gain');
      changed.set('body/norm/bias', { dtype: 'F32', shape: [2], data: Float32Array.of(5, 5) });
      changed.set('body/extra', { dtype: 'F32', shape: [1], data: Float32Array.of(1) });

      await expect(run({ spec, initial: initialOf(changed, ['body/e*']) })).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        message:
          'initial checkpoint other: body/norm/gain: missing [24]; body/norm/bias: [2] where [24] is needed; initial.allow names tensors that may differ',
      });
      const { state } = await run({ spec, initial: initialOf(changed, ['body/e*', 'body/norm/*']) });
      expect(new Set(state.weights.get('body/norm/gain')!.data)).toEqual(new Set([1]));
      expect(new Set(state.weights.get('body/norm/bias')!.data)).toEqual(new Set([0]));
      expect(state.weights.has('body/extra')).toBe(false);
    });

    it.each([
      { name: 'simclr' },
      { name: 'barlow-twins' },
      { name: 'jigsaw', grid2d: [2, 2], permutations: 6 },
      { name: 'mae' },
      { name: 'image-gpt', codes: 8, codebookPatches: 64 },
      { name: 'consistency', task: 'pattern' },
    ])('finds in one of $name all it needs, and nothing that it has no place for', async (method) => {
      const { state } = await run({ spec: { ...specOf({ method, ema: { decay: 0.9 } }), steps: 1 } });
      const reports: LoadReport[] = [];
      await run({
        spec: { ...SUPERVISED, steps: 1 },
        initial: initialOf(state.weights),
        onLoaded: (report) => reports.push(report),
      });
      expect(reports[0]!.matched.length).toBeGreaterThan(20);
    });

    it('sees pixels standardised as that one saw them', async () => {
      const given = { spec, initial: initialOf(weights) };
      const [same, other] = [
        await run({ ...given, input: { mean: 0.5, std: 0.5 } }),
        await run({ ...given, input: { mean: 0.3, std: 0.2 } }),
      ];
      expect(same.state.history).toEqual((await run(given)).state.history);
      expect(other.state.history[0]!.loss).not.toBe(same.state.history[0]!.loss);
    });
  });

  it('hands over the weights it starts from, where its spec keeps them, and goes on from there alike', async () => {
    const spec = { ...SIMCLR, steps: 2, keep: KeepSpec.parse({ initial: true }) };
    const kept: RunState[] = [];
    const { state } = await run({ spec, onCheckpoint: async (reached) => void kept.push(reached) });

    expect(kept.map(({ step, history }) => [step, history.length])).toEqual([
      [0, 0],
      [2, 2],
    ]);
    const resumed: RunState[] = [];
    await run({ spec, resume: kept[0]!, onCheckpoint: async (reached) => void resumed.push(reached) });
    expect(resumed).toEqual([kept[1]!]);
    expect(state.weights).toEqual(kept[1]!.weights);
  });

  it('computes a step in parts as it computes it whole, where the loss is a mean over images', async () => {
    const spec = { ...SUPERVISED, steps: 4 };
    const groups = [groupOf([8, 8, 1], 20), groupOf([4, 8, 8, 1], 12)];
    const whole = await run({ spec, groups });
    const parts = await run({ spec: { ...spec, accumulate: 3 }, groups });

    expect(parts.reports.every(({ recorded, images }) => recorded && images === 12)).toBe(true);
    parts.state.history.forEach((entry, index) => {
      const other = whole.state.history[index]!;
      expect(Math.abs(entry.loss / other.loss - 1)).toBeLessThan(1e-4);
      expect(Math.abs(entry.gradientNorm / other.gradientNorm - 1)).toBeLessThan(1e-3);
      expect(entry.accuracy).toBeCloseTo(other.accuracy!, 5);
    });
    expect(meanSquare(parts.state.weights, whole.state.weights)).toBeLessThan(1e-8);
    expect([...parts.state.optimiser.keys()]).toEqual([...whole.state.optimiser.keys()]);
  });

  it('keeps the moving average of the weights as the weights, the raw ones beside, and resumes both', async () => {
    const spec = { ...SIMCLR, steps: 6, checkpointEvery: 2 };
    const averaged = { ...spec, ema: { decay: 0.5, ramp: 'warm-up' as const } };
    const plain = await run({ spec });
    const kept = await run({ spec: averaged });

    // The average does not change the run: its raw weights are those of the plain one.
    for (const [name, { data }] of plain.state.weights)
      expect(kept.state.optimiser.get(`raw/${name}`)!.data).toEqual(data);
    // w_avg(t) = d(t) w_avg(t - 1) + (1 - d(t)) w(t), with d(t) = min(0.5, (1 + t) / (10 + t)).
    const name = 'body/norm/gain';
    const model = new Medformer(spec.model, CODES, HEADS, { seed: spec.seed });
    const before = Float32Array.from(model.parameters.toStored().get(name)!.data);
    model.dispose();
    const first = (await run({ spec: { ...averaged, steps: 1 } })).state;
    const raw = first.optimiser.get(`raw/${name}`)!.data;
    first.weights.get(name)!.data.forEach((value, at) => {
      expect(value).toBeCloseTo((2 / 11) * before[at]! + (9 / 11) * Number(raw[at]), 6);
    });
    const resumed = await run({ spec: averaged, resume: throughBytes(kept.states[0]!) });
    expect(bytesOf(resumed.state)).toEqual(bytesOf(kept.state));
    expect(resumed.state.history).toEqual(kept.state.history);
  });

  it('says when the step cannot be recorded, runs it op by op and gives the same', async () => {
    const warnings: string[] = [];
    const method = methodOf(SIMCLR.method);
    const loss = method.loss;
    // A loss that reads a tensor on the host, which no recording can follow.
    method.loss = (...given) => {
      const made = loss(...given);
      made.loss.dataSync();
      return made;
    };
    try {
      const { state, reports } = await run({
        spec: { ...SIMCLR, steps: 3 },
        onWarning: (text) => warnings.push(text),
      });

      expect(reports.every(({ recorded }) => !recorded)).toBe(true);
      expect(warnings).toEqual([
        expect.stringMatching(/^the training step runs op by op, because it cannot be recorded: /),
      ]);
      method.loss = loss;
      const recorded = await run({ spec: { ...SIMCLR, steps: 3 } });
      state.history.forEach((entry, index) => {
        expect(Math.abs(entry.loss - recorded.state.history[index]!.loss)).toBeLessThan(1e-4);
      });
    } finally {
      method.loss = loss;
    }
  });

  it('gives back every tensor, however it ends', async () => {
    const before = tf.memory().numTensors;
    await run({ spec: { ...SIMCLR, steps: 2 } });
    expect(tf.memory().numTensors).toBe(before);

    const stop = new AbortController();
    stop.abort();
    await expect(trainRun({ ...callbacks(SIMCLR), signal: stop.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(tf.memory().numTensors).toBe(before);

    const { state } = await run({ spec: { ...SIMCLR, steps: 1 } });
    const without = (tensors: Map<string, StoredTensor>, name: string) =>
      new Map([...tensors].filter(([known]) => known !== name));
    const lost = { ...state, weights: without(state.weights, 'body/norm/gain') };
    await expect(run({ spec: SIMCLR, resume: lost })).rejects.toMatchObject({
      code: 'DATA_LOSS',
      message: 'checkpoint: missing body/norm/gain',
    });
    const forgot = { ...state, optimiser: without(state.optimiser, 'v/body/norm/gain') };
    await expect(run({ spec: SIMCLR, resume: forgot })).rejects.toMatchObject({
      code: 'DATA_LOSS',
      message: 'checkpoint: optimiser slot v/body/norm/gain: expected F32 [24], found none',
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

function specOf(change: object): RunSpec {
  return patternSpec({ optimiser: { learningRate: 4e-3, warmupSteps: 3 }, ...change });
}

/** Dark, grey and bright images, each striped in its own way. */
function groupOf(shape: number[], images: number): TrainingGroup {
  const size = shape.reduce((product, edge) => product * edge, 1);
  const width = shape.at(-2)!;
  const height = shape.at(-3)!;
  const pixels = new Uint8Array(images * size);
  const records = Array.from({ length: images }, (_, index): ImageRecord => {
    const rng = Rng.of('patterns', ...shape, index);
    const [alongRows, alongColumns, phase] = [
      rng.uniform(0, 2),
      rng.uniform(0, 2),
      rng.uniform(0, 2 * Math.PI),
    ];
    for (let at = 0; at < size; at += 1) {
      const angle = alongRows * (Math.floor(at / width) % height) + alongColumns * (at % width) + phase;
      pixels[index * size + at] = [30, 128, 225][index % 3]! + 30 * Math.sin(angle);
    }
    return {
      id: sha256(String(index)).slice(0, 16),
      subject: `s${index}`,
      split: 'train',
      modality: ['ct', 'mri'][index % 2]!,
      bodyPart: 'whole-body',
      shape,
      pixelType: 'uint8',
      labels: { pattern: index % 3 },
      source: sha256(`source ${index}`),
      tensor: 't',
      row: index,
    };
  });
  return { shape, pixels, records };
}

async function run(given: Pick<TrainRun, 'spec'> & Partial<TrainRun>) {
  const states: RunState[] = [];
  const reports: StepReport[] = [];
  const state = await trainRun({ ...callbacks(given.spec, { states, reports }), ...given });
  return { state, states, reports };
}

function callbacks(spec: RunSpec, to: { states?: RunState[]; reports?: StepReport[] } = {}): TrainRun {
  return {
    spec,
    groups: [groupOf([8, 8, 1], 20)],
    codes: CODES,
    heads: HEADS,
    signal: new AbortController().signal,
    onStep: (report) => to.reports?.push(report),
    onCheckpoint: async (state) => void to.states?.push(state),
    onWarning: (message) => {
      throw new Error(message);
    },
  };
}

/** The same steps without recording: the plain loop that a training run is. */
function eagerly(spec: RunSpec): { losses: number[]; weights: Map<string, StoredTensor> } {
  const method = methodOf(spec.method);
  const groups = [groupOf([8, 8, 1], 20)];
  const model = new Medformer(spec.model, CODES, HEADS, { seed: spec.seed });
  const rows = (values: Int32Array, depth: number) =>
    tf.oneHot(tf.tensor1d(values, 'int32'), depth).toFloat();
  // Makes the method's own head.
  tf.tidy(() => {
    const given = { labels: tf.zeros([2, 3]), drawn: {}, ramp: tf.scalar(1) };
    method.loss(
      spec.method,
      model,
      model.prepare(tf.zeros([2 * method.policies.length, 8, 8, 1]), {}),
      given,
    );
  });
  const layout = new ParameterLayout(model.parameters.entries());
  const vectors = {
    parameters: tf.tidy(() =>
      tf.variable(layout.flatten(model.parameters.entries().map(([, parameter]) => parameter))),
    ),
    slots: { m: tf.variable(layout.fill(() => 0)), v: tf.variable(layout.fill(() => 0)) },
  };
  const decayed = layout.fill((name) => (isNamed(name, spec.optimiser.decayed) ? 1 : 0));
  const plan = new BatchPlan(spec.seed, [20], spec.batchSize);
  const losses: number[] = [];
  for (let step = 1; step <= spec.steps; step += 1) {
    const source = { spec, groups, codes: CODES, heads: HEADS, policies: method.policies };
    const [batch] = makeBatches(source, step, [plan.next()]);
    tf.tidy(() => {
      const { x, shape, modality, bodyPart, labels } = batch!;
      const { results } = trainStep({ spec, model, layout, decayed }, vectors, {
        x: tf.tensor(x, [modality.length, ...shape]),
        modality: rows(modality, 3),
        bodyPart: tf.ones([bodyPart.length, 1]),
        labels: tf.tensor2d(labels, [batch!.images.length, labels.length / batch!.images.length]),
        schedule: tf.tensor1d([runRateAt(spec, step), 0, 1, ...optimiserOf(spec.optimiser).scalars(step)]),
        drawn: {},
      });
      losses.push(results.dataSync()[0]!);
    });
  }
  const weights = layout.toStored(vectors.parameters);
  tf.dispose([vectors.parameters, ...Object.values(vectors.slots), decayed]);
  model.dispose();
  return { losses, weights };
}

const bytesOf = ({ weights, optimiser }: RunState) =>
  [weights, optimiser].map((tensors) => sha256(encodeSafetensors({ tensors, metadata: {} })));

/** As a checkpoint is written and read. */
function throughBytes(state: RunState): RunState {
  const through = (tensors: Map<string, StoredTensor>) =>
    decodeSafetensors(encodeSafetensors({ tensors, metadata: {} }), 'state').tensors;
  return {
    step: state.step,
    expectedLoss: state.expectedLoss,
    history: JSON.parse(JSON.stringify(state.history)),
    weights: through(state.weights),
    optimiser: through(state.optimiser),
  };
}

/** Mean square of the difference, over all parameters. */
function meanSquare(one: Map<string, StoredTensor>, other: Map<string, StoredTensor>): number {
  expect([...one.keys()]).toEqual([...other.keys()]);
  const squares = [...one].flatMap(([name, { data }]) =>
    // The loss does not depend on a shift of all keys: AdamW makes steps of the rounding errors.
    name.endsWith('/key/bias') ? [] : [...data].map((value, at) => (value - other.get(name)!.data[at]!) ** 2),
  );
  return squares.reduce((sum, square) => sum + square, 0) / squares.length;
}

const bufferOf = (data: StoredTensor['data']) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

const meanLoss = (entries: { loss: number }[]) =>
  entries.reduce((sum, { loss }) => sum + loss, 0) / entries.length;
