import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { VIEW_POLICIES } from '@medformer/augment';
import { Medformer } from '@medformer/medformer';
import { ImageRecord, MethodSpec, type ModelConfig, Rng, RunSpec, sha256 } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { arrange } from '../batch.js';
import type { TrainingGroup } from '../training-group.js';
import type { MethodLoss } from './method.js';
import { features, METHODS, methodOf } from './registry.js';

type Name = MethodSpec['name'];

/** Small settings of each method. */
const SPECS: Record<Name, MethodSpec> = {
  simclr: MethodSpec.parse({ name: 'simclr', projection: [16, 8] }),
  'barlow-twins': MethodSpec.parse({ name: 'barlow-twins', projection: [16, 8] }),
  jigsaw: MethodSpec.parse({ name: 'jigsaw', permutations: 5, hidden: 8 }),
  mae: MethodSpec.parse({ name: 'mae', decoder: { depth: 1, width: 12 } }),
  'image-gpt': MethodSpec.parse({ name: 'image-gpt', codes: 6 }),
  consistency: MethodSpec.parse({ name: 'consistency', task: 'region' }),
  supervised: MethodSpec.parse({ name: 'supervised', task: 'region' }),
  'multi-task': MethodSpec.parse({ name: 'multi-task', tasks: [{ task: 'region' }] }),
};

/** What stands behind each method: its loss, its head where it has one, and the peer's values it is held to. */
const EVIDENCE: Record<Name, { loss: string; head?: string; golden: [file: string, key: string] }> = {
  simclr: { loss: 'nt-xent', head: 'projection-head', golden: ['ssl', 'ntXent'] },
  'barlow-twins': { loss: 'barlow-twins', head: 'projection-head', golden: ['ssl', 'barlowTwins'] },
  jigsaw: { loss: 'cross-entropy', head: 'permutation-head', golden: ['ssl-pretext', 'permutationSet'] },
  mae: {
    loss: 'masked-reconstruction',
    head: 'patch-decoder',
    golden: ['ssl-pretext', 'maskedAutoencoding'],
  },
  'image-gpt': { loss: 'next-token', golden: ['ssl-image-gpt', 'nextToken'] },
  consistency: { loss: 'consistency', golden: ['ssl-consistency', 'consistency'] },
  supervised: { loss: 'cross-entropy', golden: ['ssl', 'crossEntropy'] },
  'multi-task': { loss: 'task-loss', golden: ['ssl-tasks', 'multiLabel'] },
};

const ROOT = new URL('../../../../', import.meta.url);
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
const CLASSES = 3;
const headsOf = (classes: number) => [{ task: 'region', classes }];
const HEADS = headsOf(CLASSES);
const IMAGES = 6;
const SHAPES: [string, number[]][] = [
  ['images', [12, 12, 1]],
  ['volumes', [8, 8, 8, 1]],
];

beforeAll(async () => {
  await useBackend();
});

it('holds every method that a run can ask for, under its own name', () => {
  const known = MethodSpec.options.map((option) => option.shape.name.value);

  expect(Object.keys(METHODS).sort()).toEqual([...known].sort());
  for (const [name, method] of Object.entries(METHODS)) expect(method.name).toBe(name);
});

describe.each(Object.keys(METHODS) as Name[])('%s is complete: it has', (name) => {
  const { loss, head, golden } = EVIDENCE[name];

  it('its loss in a file of its own, and a spec beside it', () => {
    for (const file of [`losses/${loss}.ts`, `losses/${loss}.spec.ts`]) expectFile(`libs/ssl/src/${file}`);
    if (head) expectFile(`libs/ssl/src/heads/${head}.ts`);
  });

  it('a view policy for each of its views', () => {
    expect(VIEW_POLICIES[name]).toBe(METHODS[name].policies);
    expect(METHODS[name].policies.length).toBeGreaterThan(0);
  });

  it('values of a peer to be held to', () => {
    const [file, key] = golden;
    const cases = JSON.parse(read(`libs/ssl/golden/${file}.json`))[key];
    expect(Array.isArray(cases) && cases.length > 0).toBe(true);
  });

  it('an experiment headed by command, time and score to reach', () => {
    const header = experimentOf(name)
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .join('\n');
    for (const part of ['Command:', 'Time:', 'Score to reach:']) expect(header).toContain(part);
  });

  it('a row in docs/methods.md that names its loss file', () => {
    const row = read('docs/methods.md')
      .split('\n')
      .find((line) => line.startsWith(`| \`${name}\` |`));
    expect(row).toContain(`losses/${loss}.ts`);
    const columns = read('docs/methods.md')
      .split('\n')
      .find((line) => line.startsWith('| method |'))!;
    expect(row!.split(' | ').length).toBe(columns.split(' | ').length);
    for (const cell of row!.slice(1, -1).split(' | ')) expect(cell.trim()).not.toBe('');
  });
});

describe.each(Object.values(SPECS))('$name', (spec) => {
  it.each(SHAPES)('computes a finite loss of %s, and every parameter it makes is its own', (_, shape) => {
    const { model, before, loss } = prepared(spec, shape);
    tf.tidy(() => {
      const { loss: value, h, accuracy } = loss();

      expect(value.shape).toEqual([]);
      expect(Number.isFinite(value.dataSync()[0])).toBe(true);
      expect(h.shape.length).toBe(2);
      expect(h.shape[0]! % IMAGES).toBe(0);
      const share = accuracy?.dataSync()[0] ?? 0;
      expect(share >= 0 && share <= 1).toBe(true);
    });
    const made = model.parameters.entries().flatMap(([name]) => (before.has(name) ? [] : [name]));
    expect(made.filter((name) => !name.startsWith(`method/${spec.name}/`))).toEqual([]);
    expect(made.length > 0 || EVIDENCE[spec.name].head === undefined).toBe(true);
    model.dispose();
  });

  it.each(SHAPES)(
    'has a first loss of %s within what is expected of random weights, on any seed',
    (_, shape) => {
      const { first, start, floor, collapsed } = methodOf(spec).expected(spec, IMAGES, HEADS);
      for (const seed of [0, 1, 2]) {
        const { model, loss } = prepared(spec, shape, seed);
        const value = tf.tidy(() => loss().loss.dataSync()[0]!);

        expect(value).toBeGreaterThanOrEqual(first!.least);
        expect(value).toBeLessThanOrEqual(first!.most);
        model.dispose();
      }
      expect(start!).toBeGreaterThan(floor!);
      if (collapsed !== undefined) expect(collapsed).toBeGreaterThan(floor!);
    },
  );

  it('learns: ten steps on one batch lower its loss', () => {
    const { model, loss } = prepared(spec, SHAPES[0]![1]);
    const optimiser = tf.train.adam(3e-3);
    const lossNow = () => tf.tidy(() => loss().loss.dataSync()[0]!);
    const start = lossNow();
    for (let step = 0; step < 10; step += 1) optimiser.minimize(() => loss().loss as tf.Scalar);

    expect(lossNow()).toBeLessThan(start);
    optimiser.dispose();
    model.dispose();
  });
});

describe('the features that probes read', () => {
  it('are the model’s embedding, or what the method has of its own', () => {
    const model = new Medformer(CONFIG, { modalities: ['ct'], bodyParts: [], tasks: [] }, []);
    tf.tidy(() => {
      const rng = Rng.of('features');
      const pixels = tf.tensor4d(
        Float32Array.from({ length: 128 }, () => rng.uniform()),
        [2, 8, 8, 1],
      );
      const names = { modality: ['ct', 'mri'] };
      const of = (name: Name) => [...features(SPECS[name], model, pixels, names).dataSync()];
      const embedding = [...model.embed(pixels, names).dataSync()];

      for (const [name, { embed }] of Object.entries(METHODS) as [Name, { embed?: unknown }][]) {
        if (embed) expect(of(name)).not.toEqual(embedding);
        else expect(of(name)).toEqual(embedding);
      }
      expect(of('image-gpt').length).toBe(2 * CONFIG.width);
    });
    model.dispose();
  });
});

describe('the loss to expect before anything is learnt', () => {
  it('is ln(2N - 1) for SimCLR and ln(classes) for labels', () => {
    expect(methodOf(SPECS.simclr).expected(SPECS.simclr, 128, []).start).toBeCloseTo(5.541, 3);
    expect(methodOf(SPECS.supervised).expected(SPECS.supervised, 128, headsOf(10)).start).toBeCloseTo(
      Math.log(10),
      9,
    );
  });

  it('is D (1 + 1/N) + lambda D (D - 1) / N for Barlow Twins, with the last term as its floor', () => {
    const spec = MethodSpec.parse({ name: 'barlow-twins', projection: [9, 2048], lambda: 0.005 });

    const { start, floor } = methodOf(spec).expected(spec, 256, []);

    expect(start).toBeCloseTo(2137.9, 0);
    expect(floor).toBeCloseTo((0.005 * 2048 * 2047) / 256, 6);
  });

  it('is ln(permutations) for jigsaw, and at most 1 for masked autoencoding', () => {
    const spec = MethodSpec.parse({ name: 'jigsaw', permutations: 1000 });

    expect(methodOf(spec).expected(spec, 64, [])).toMatchObject({ start: Math.log(1000), floor: 0 });
    expect(methodOf(SPECS.mae).expected(SPECS.mae, 64, [])).toMatchObject({ start: 1, floor: 0 });
  });

  it('has as its floor, for NT-Xent, a simplex of coinciding views', () => {
    const spec = MethodSpec.parse({ name: 'simclr', temperature: 0.5 });
    // Four directions with mutual cosine -1/3, each seen twice: written out term by term.
    const pull = Math.exp(1 / 0.5);
    const push = Math.exp(-1 / 3 / 0.5);

    const { start, floor, collapsed } = methodOf(spec).expected(spec, 4, []);
    expect([start, collapsed]).toEqual([Math.log(7), Math.log(7)]);
    expect(floor).toBeCloseTo(-Math.log(pull / (pull + 6 * push)), 12);
    const sum = methodOf(spec).expected({ ...spec, reduction: 'sum' } as MethodSpec, 4, []);
    expect(sum.floor).toBeCloseTo(2 * floor!, 12);
  });

  it('has as its floor, for labels, the entropy of the smoothed ones', () => {
    const floorOf = (labelSmoothing: number) => {
      const spec = MethodSpec.parse({ name: 'supervised', task: 'region', labelSmoothing });
      return methodOf(spec).expected(spec, 8, headsOf(4)).floor!;
    };

    expect(floorOf(0)).toBe(0);
    const smoothed = [0.85, 0.05, 0.05, 0.05];
    expect(floorOf(0.2)).toBeCloseTo(-smoothed.reduce((sum, p) => sum + p * Math.log(p), 0), 12);
  });
});

/** The method's loss of one batch of noise, made as a step makes it. */
function prepared(spec: MethodSpec, shape: number[], seed = 0) {
  const method = methodOf(spec);
  const views = method.policies.length;
  const size = shape.reduce((product, edge) => product * edge, 1);
  const rng = Rng.of('registry', seed, ...shape);
  const x = Float32Array.from({ length: views * IMAGES * size }, () => rng.uniform(-1, 1));
  const run = RunSpec.parse({
    dataset: sha256('x'),
    method: spec,
    model: CONFIG,
    steps: 1,
    ema: {},
    codeVersion: 'test',
  });
  const arranged = arrange(run, { x, shape, views, images: IMAGES }, 1);
  const stored = method.fit?.(spec, [group(shape)], CONFIG, 0);
  const codes = { modalities: [], bodyParts: [], tasks: ['region'] };
  const model = new Medformer(CONFIG, codes, HEADS, { seed, ...(stored ? { stored } : {}) });
  const before = new Set(model.parameters.entries().map(([name]) => name));
  const loss = (): MethodLoss => {
    const pixels = tf.tensor(arranged.x, [views * IMAGES * arranged.copies, ...arranged.shape]);
    const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), CLASSES).toFloat();
    const drawn = Object.entries(arranged.drawn).map(([name, { data, shape: of }]) => [
      name,
      tf.tensor(data, of, data instanceof Int32Array ? 'int32' : 'float32'),
    ]);
    return method.loss(
      spec,
      model,
      { ...model.prepare(pixels, {}), x: pixels },
      { labels, task: 'region', drawn: Object.fromEntries(drawn), teacher: model, ramp: tf.scalar(1) },
    );
  };
  return { model, before, loss };
}

function group(shape: number[]): TrainingGroup {
  const rng = Rng.of('registry-group', ...shape);
  const length = IMAGES * shape.reduce((product, edge) => product * edge, 1);
  return {
    shape,
    pixels: Uint8Array.from({ length }, () => rng.integer(256)),
    records: Array.from({ length: IMAGES }, (_, index) => record(index, shape)),
  };
}

function record(index: number, shape: number[]): ImageRecord {
  return ImageRecord.parse({
    id: sha256(String(index)).slice(0, 16),
    subject: `s${index}`,
    split: 'train',
    modality: 'ct',
    bodyPart: 'chest',
    shape,
    pixelType: 'uint8',
    labels: { region: index % CLASSES },
    source: sha256(`source ${index}`),
    tensor: 't',
    row: index,
  });
}

/** An experiment file whose method this is: its own, or the demo's. */
function experimentOf(name: Name): string {
  const files = ['experiments/methods', 'experiments/demo'].flatMap((folder) =>
    existsSync(new URL(folder, ROOT))
      ? readdirSync(new URL(folder, ROOT)).map((file) => read(`${folder}/${file}`))
      : [],
  );
  const found = files.find((text) => new RegExp(`^method:\\n {2}name: ${name}$`, 'm').test(text));
  if (!found) throw new Error(`no file of experiments/methods trains ${name}`);
  return found;
}

function expectFile(path: string): void {
  expect({ path, exists: existsSync(new URL(path, ROOT)) }).toEqual({ path, exists: true });
}

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}
