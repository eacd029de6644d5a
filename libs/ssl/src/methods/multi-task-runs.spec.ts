import { Medformer, transferredWeights } from '@medformer/medformer';
import { type LoadReport, RunSpec, type StoredTensor, sha256 } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { patternData, patternSpec, patterns, runPatterns } from '../testing/patterns.js';
import type { InitialWeights } from '../train-session.js';
import type { TrainingGroup } from '../training-group.js';

const ALL = { name: 'multi-task', tasks: [{ task: 'pattern' }, { task: 'above' }, { task: 'levels' }] };
/** A task a shape, so that few steps have to be recorded. */
const GROUPS = [patterns([8, 8, 1], 30), patterns([8, 12, 3], 24), patterns([8, 8, 8, 1], 24)];
const MIXED = GROUPS.map((group, at) => ({ ...group, task: ALL.tasks[at]!.task }));

beforeAll(async () => {
  await useBackend();
});

describe.each([
  ['a task a step', { method: ALL }],
  ['several tasks and shapes in one step', { method: ALL, accumulate: 3, ema: {} }],
  ['weights learnt from noise', { method: { ...ALL, weighting: 'uncertainty', labelSmoothing: 0.1 } }],
])('a run over tasks of several kinds, images and volumes: %s', (_, change) => {
  it('runs as recorded functions and goes on from a checkpoint to the same bytes', {
    timeout: 300_000,
  }, async () => {
    const spec = patternSpec({ steps: 8, checkpointEvery: 4, ...change });
    const unbroken = await runPatterns(spec, { groups: MIXED });
    const resumed = await runPatterns(spec, { groups: MIXED, resume: unbroken.states[0]! });

    expect([unbroken.error, resumed.error]).toEqual([undefined, undefined]);
    expect(unbroken.warnings).toEqual([]);
    expect(unbroken.reports.map(({ recorded }) => recorded)).toEqual(Array(8).fill(true));
    for (const { accuracy } of unbroken.reports) expect(accuracy! >= 0 && accuracy! <= 1).toBe(true);
    expect(digest(resumed.states.at(-1)!)).toEqual(digest(unbroken.states.at(-1)!));
  });
});

it('learns all its tasks with one set of weights, in 2D and 3D', async () => {
  const spec = patternSpec({
    method: { ...ALL, tasks: [{ task: 'levels' }, { task: 'above' }] },
    steps: 200,
    checkpointEvery: 1000,
    optimiser: { learningRate: 5e-3, warmupSteps: 10 },
  });
  const { states, error } = await runPatterns(spec, { groups: [GROUPS[0]!, GROUPS[2]!] });
  expect(error).toBeUndefined();
  const model = modelOf(spec, states.at(-1)!.weights);

  for (const group of [patterns([8, 8, 1], 60), patterns([8, 8, 8, 1], 60)]) {
    // By chance 1/3, and 2/3 of the flags.
    expect(accuracyOf(model, group, 'levels')).toBeGreaterThan(0.6);
    expect(accuracyOf(model, group, 'above')).toBeGreaterThan(0.8);
  }
  model.dispose();
}, 300_000);

it('weighs a task of weight 0.001 next to nothing, and one alone as supervised training does', async () => {
  const one = { ...ALL, tasks: [{ task: 'pattern', weight: 0.001 }] };
  const light = await runPatterns(patternSpec({ method: one, steps: 1 }));
  const alone = await runPatterns(
    patternSpec({ method: { ...ALL, tasks: [{ task: 'pattern' }] }, steps: 1 }),
  );

  expect(light.reports[0]!.loss).toBeCloseTo(0.001 * alone.reports[0]!.loss, 6);
  expect(light.reports[0]!.gradientNorm).toBeCloseTo(0.001 * alone.reports[0]!.gradientNorm, 5);
});

describe('a checkpoint of images alone', () => {
  const spec2d = patternSpec({
    method: { name: 'supervised', task: 'pattern' },
    steps: 60,
    checkpointEvery: 1000,
  });
  let weights: Map<string, StoredTensor>;
  let untrained: string[];
  beforeAll(async () => {
    const { states } = await runPatterns(spec2d, { groups: [patterns([8, 8, 1], 36)] });
    ({ weights } = states.at(-1)!);
    untrained = states.at(-1)!.untrained!;
  }, 60_000);

  it('says that the ends for volumes and for colour are untrained', () => {
    expect(untrained.filter((name) => name.includes('3d')).length).toBeGreaterThan(2);
    expect(untrained.filter((name) => !/3d|chroma/.test(name))).toEqual([]);
  });

  it('takes a task of volumes with a new modality by training the ends only, and beats chance; its own task is as before', async () => {
    const volumes = patterns([8, 8, 8, 1], 60);
    const mri = { ...volumes, records: volumes.records.map((record) => ({ ...record, modality: 'mri' })) };
    const method = { name: 'supervised', task: 'levels', ordinal: 'cumulative' };
    const spec = patternSpec({
      method,
      steps: 120,
      checkpointEvery: 1000,
      codeDropout: { modality: 0.1 },
      optimiser: { learningRate: 1e-2, warmupSteps: 5 },
      ema: {},
    });
    const codes = { modalities: ['ct', 'mri'], bodyParts: [], tasks: ['levels', 'pattern'] };
    const heads = [...patternData(spec, []).heads, { task: 'pattern', classes: 3 }];
    const before = { codes: { modalities: ['ct'], bodyParts: [], tasks: ['pattern'] } };
    const initial: InitialWeights = {
      checkpoint: sha256('images'),
      transfer: transferredWeights(before, weights, codes, ['pattern']),
      allow: [],
      freeze: ['*'],
      untrained,
    };
    const loaded: LoadReport[] = [];
    const given = {
      groups: [mri],
      codes,
      heads,
      initial,
      onLoaded: (report: LoadReport) => loaded.push(report),
    };
    const { states, error } = await runPatterns(spec, given);
    expect(error).toBeUndefined();
    const after = states.at(-1)!;

    const changed = [...after.weights].flatMap(([name, { data }]) =>
      weights.get(name) && sha256(bytes(data)) === sha256(bytes(weights.get(name)!.data)) ? [] : [name],
    );
    expect(changed.filter((name) => name.startsWith('body/'))).toEqual([]);
    const fresh = /levels|^input\/modality-codes$/;
    expect(changed.filter((name) => !untrained.includes(name) && !fresh.test(name))).toEqual([]);
    expect(after.untrained!.filter((name) => name.includes('3d') && !name.includes('chroma'))).toEqual([]);
    // Rows of the shared code and of ct stay to the bit; mri's starts from the shared one and moves.
    const width = 24;
    const table = after.weights.get('input/modality-codes')!.data;
    expect([...table.slice(0, 2 * width)]).toEqual([...weights.get('input/modality-codes')!.data]);
    expect([...table.slice(2 * width)]).not.toEqual([...table.slice(0, width)]);
    for (const [name, { data }] of after.optimiser)
      if (/^(m|v|first|second)[^/]*\/body\//.test(name))
        expect(data.every((value) => value === 0)).toBe(true);

    const { trained, frozen } = loaded[0]!.parameters!;
    const numbers = [...after.weights.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(trained + frozen).toBe(numbers);
    expect(frozen).toBeGreaterThan(numbers / 2);

    const [model, old] = [
      new Medformer(spec.model, codes, heads, { seed: 0, stored: after.weights }),
      modelOf(spec2d, weights),
    ];
    expect(accuracyOf(model, { ...patterns([8, 8, 8, 1], 90) }, 'levels', 'mri')).toBeGreaterThan(0.6);
    const image = pixelsOf(patterns([8, 8, 1], 6));
    const scores = (of: Medformer) => [
      ...of.predict(image, 'pattern', { modality: Array(6).fill('ct') }).dataSync(),
    ];
    expect(scores(model)).toEqual(scores(old));
    model.dispose();
    old.dispose();

    // Resumed from its middle it ends in the same bytes, frozen as before.
    const short = { ...spec, steps: 6, checkpointEvery: 3 };
    const unbroken = await runPatterns(short, given);
    const resumed = await runPatterns(short, { ...given, resume: unbroken.states[0]! });
    expect(digest(resumed.states.at(-1)!)).toEqual(digest(unbroken.states.at(-1)!));
  }, 300_000);

  it('is refused a pattern that names nothing, and a run with nothing left to train', async () => {
    const start = (freeze: string[], allTrained = false): InitialWeights => ({
      checkpoint: sha256('images'),
      transfer: transferredWeights(
        { codes: { modalities: ['ct'], bodyParts: [], tasks: ['pattern'] } },
        weights,
        { modalities: ['ct'], bodyParts: [], tasks: ['pattern'] },
        ['pattern'],
      ),
      allow: [],
      freeze,
      untrained: allTrained ? [] : untrained,
    });
    const spec = patternSpec({ method: { name: 'supervised', task: 'pattern' }, steps: 1 });

    const misspelt = await runPatterns(spec, { initial: start(['boddy/*']) });
    expect(misspelt.error?.message).toBe('initial.freeze.0: boddy/* fits no parameter');
    const nothing = await runPatterns(spec, { initial: start(['*'], true) });
    expect(nothing.error?.message).toBe('initial.freeze: nothing is left to train');
    const ends = await runPatterns(spec, { initial: start(['body/*', '!body/norm/*']) });
    expect(ends.error).toBeUndefined();
    const moved = (name: string) =>
      sha256(bytes(ends.states[0]!.weights.get(name)!.data)) !== sha256(bytes(weights.get(name)!.data));
    expect([moved('body/norm/gain'), moved('body/00/mlp/expand/weight'), moved('input/latents')]).toEqual([
      true,
      false,
      true,
    ]);
  });
});

it('names every data set once and every task once', () => {
  const spec = { dataset: sha256('a'), method: ALL, steps: 1, codeVersion: 'test' };

  expect(RunSpec.parse({ ...spec, datasets: [sha256('b')] }).datasets).toHaveLength(1);
  expect(() => RunSpec.parse({ ...spec, datasets: [sha256('a')] })).toThrow(/every data set once/);
  expect(() =>
    RunSpec.parse({ ...spec, method: { ...ALL, tasks: [{ task: 'pattern' }, { task: 'pattern' }] } }),
  ).toThrow(/every task once/);
});

function modelOf(spec: RunSpec, weights: ReadonlyMap<string, StoredTensor>): Medformer {
  const { codes, heads } = patternData(spec, []);
  const own = new Map([...weights].filter(([name]) => !name.startsWith('method/')));
  return new Medformer(spec.model, codes, heads, { seed: 0, stored: own });
}

/** Share of the images, or of their flags, that a model's own head tells right. */
function accuracyOf(model: Medformer, group: TrainingGroup, task: string, modality = 'ct'): number {
  const { classes, kind } = model.headOf(task);
  const names = { modality: group.records.map(() => modality) };
  const logits = [...model.predict(pixelsOf(group), task, names).dataSync()];
  const right = group.records.flatMap(({ labels }, image) => {
    const row = logits.slice(image * classes, (image + 1) * classes);
    if (kind === 'multi-label')
      return row.map((logit, at) => Number(logit > 0) === (labels[task] as number[])[at]);
    return [row.indexOf(Math.max(...row)) === labels[task]];
  });
  return right.filter(Boolean).length / right.length;
}

function pixelsOf({ pixels, shape, records }: TrainingGroup): tf.Tensor {
  return tf.tensor(
    Float32Array.from(pixels, (value) => value / 255),
    [records.length, ...shape],
  );
}

const bytes = (data: StoredTensor['data']) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

function digest({
  weights,
  optimiser,
}: {
  weights: Map<string, StoredTensor>;
  optimiser: Map<string, StoredTensor>;
}) {
  return [...weights, ...optimiser].map(([name, { data }]) => `${name} ${sha256(bytes(data))}`);
}
