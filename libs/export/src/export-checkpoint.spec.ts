import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { Medformer } from '@medformer/medformer';
import { CheckpointRecord, MODEL_PRESETS, parseRecord, Rng, sha256, type TaskHead } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { ModelProtoSchema } from 'onnx-buf';
import ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportCheckpoint } from './export-checkpoint.js';
import type { ExportRequest } from './export-request.js';
import type { ExportedFile } from './files.js';
import type { SourceCheckpoint } from './lineage.js';

const HEADS: TaskHead[] = [
  { task: 'region', classes: 5 },
  { task: 'organ', classes: 4, kind: 'multi-class' },
  { task: 'malignant', classes: 2, kind: 'binary' },
  { task: 'findings', classes: 6, kind: 'multi-label' },
  { task: 'grade', classes: 5, kind: 'ordinal' },
  { task: 'stage', classes: 5, kind: 'ordinal', ordinal: 'cumulative' },
  { task: 'present', classes: 2, kind: 'ordinal', ordinal: 'cumulative' },
];
const CODES = {
  modalities: ['ct', 'mri'],
  bodyParts: ['chest', 'head'],
  tasks: HEADS.map(({ task }) => task),
};

let source: SourceCheckpoint;
let model: Medformer;
let folder: string;
/** Largest difference to the live model, by case. */
const differences: Record<string, number> = {};

beforeAll(async () => {
  await useBackend();
  folder = await mkdtemp(join(tmpdir(), 'export-'));
  source = checkpoint();
  model = Medformer.fromCheckpoint(source.record, source.weights);
});
afterAll(async () => {
  model.dispose();
  await rm(folder, { recursive: true });
  console.log('largest difference to the live model:', differences);
});

const SHAPES: [string, number[]][] = [
  ['2D grey', [28, 28, 1]],
  ['2D grey of odd size', [33, 17, 1]],
  ['2D RGB', [28, 28, 3]],
  ['3D', [14, 20, 16, 1]],
  ['3D colour', [9, 12, 10, 3]],
];

describe('an exported ONNX model', () => {
  it.each(SHAPES)(
    'of %s %j computes what the live model computes, at any batch size',
    async (name, shape) => {
      const run = await onnx(exportCheckpoint(source, { format: 'onnx', shape, task: 'region' }));
      for (const batch of [1, 2, 5]) {
        const x = pixels([batch, ...shape]);
        const { embedding, logits } = await run(x);
        expectClose(`onnx ${name} embedding`, embedding!, model.embed(x));
        expectClose(`onnx ${name} logits`, logits!, model.predict(x, 'region'));
      }
    },
  );
});

describe('an exported SavedModel', () => {
  it.each(SHAPES.filter(([name]) => !name.includes('odd')))(
    'of %s %j computes what the live model computes, at any batch size',
    async (name, shape) => {
      const run = await savedModel(
        exportCheckpoint(source, { format: 'saved-model', shape, task: 'region' }),
      );
      for (const batch of [1, 2, 5]) {
        const x = pixels([batch, ...shape]);
        const { embedding, logits } = await run(x);
        expectClose(`saved-model ${name} embedding`, embedding!, model.embed(x));
        expectClose(`saved-model ${name} logits`, logits!, model.predict(x, 'region'));
      }
    },
  );
});

describe.each(['onnx', 'saved-model'] as const)('an exported model (%s)', (format) => {
  const run = (request: Omit<Exclude<ExportRequest, { format: 'safetensors' }>, 'format'>) =>
    (format === 'onnx' ? onnx : savedModel)(exportCheckpoint(source, { format, ...request }));

  it('has the codes it was exported with', async () => {
    const x = pixels([2, 12, 12, 1]);
    const named = await run({ shape: [12, 12, 1], modality: 'mri', bodyPart: 'head' });
    const shared = await run({ shape: [12, 12, 1] });

    const names = { modality: ['mri', 'mri'], bodyPart: ['head', 'head'] };
    expectClose(`${format} with codes`, (await named(x)).embedding!, model.embed(x, names));
    expectClose(`${format} without codes`, (await shared(x)).embedding!, model.embed(x));
    expect(Object.keys(await shared(x))).toEqual(['embedding']);
  });

  it.each(HEADS.slice(1).map(({ task, kind, ordinal }) => [kind, ordinal ?? 'plain', task] as const))(
    'gives the logits of a %s task (%s)',
    async (kind, _link, task) => {
      const { logits } = await run({ shape: [12, 12, 1], task }).then((of) => of(pixels([3, 12, 12, 1])));
      expectClose(`${format} ${task}`, logits!, model.predict(pixels([3, 12, 12, 1]), task));
      // Farther than any rounding: the heads' weights were moved.
      expect(new Set(logits).size).toBeGreaterThan(kind === 'binary' ? 3 : 5);
    },
  );

  it('of a fixed batch size takes that one', async () => {
    const fixed = await run({ shape: [12, 12, 1], batch: 4 });
    const x = pixels([4, 12, 12, 1]);
    expectClose(`${format} of a fixed batch`, (await fixed(x)).embedding!, model.embed(x));
  });
});

describe('the ONNX file', () => {
  it('says where it comes from and what it takes', () => {
    const [file] = exportCheckpoint(source, { format: 'onnx', shape: [12, 12, 1], modality: 'ct' });
    const { metadataProps, opsetImport, graph } = fromBinary(ModelProtoSchema, file!.content);
    const metadata = Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]));

    expect(opsetImport).toMatchObject([{ domain: '', version: 17n }]);
    expect(metadata).toMatchObject({
      'medformer.checkpoint': source.checkpoint,
      'medformer.run': source.record.run,
      'medformer.dataset': source.record.dataset,
      'medformer.codeVersion': source.record.codeVersion,
    });
    expect(JSON.parse(metadata['medformer.input']!)).toEqual({ range: [0, 1], mean: 0.5, std: 0.5 });
    expect(JSON.parse(metadata['medformer.signature']!)).toEqual({ shape: [12, 12, 1], modality: 'ct' });
    const shape = (port: (typeof graph & object)['input'][number]) =>
      port.type?.value.case === 'tensorType'
        ? port.type.value.value.shape?.dim.map(({ value }) => value.value)
        : undefined;
    expect(graph!.input.map(shape)).toEqual([['batch', 12n, 12n, 1n]]);
    expect(graph!.output.map(shape)).toEqual([['batch', BigInt(source.record.model.width)]]);
  });

  it('holds the weights that it holds as they are under their names, once, and the body once for embedding and logits', () => {
    const nodes = (request: object) => {
      const [file] = exportCheckpoint(source, { format: 'onnx', shape: [12, 12, 1], ...request });
      return fromBinary(ModelProtoSchema, file!.content).graph!;
    };
    const alone = nodes({});
    const withLogits = nodes({ task: 'region' });

    const names = withLogits.initializer.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    // Dense layers behind a normalisation have taken its gain in; this one stands alone.
    expect(names).toContain('body/00/attention/out/weight');
    expect(names).toContain('output/heads/region/weight');
    expect(withLogits.node.length).toBeLessThan(1.2 * alone.node.length);
  });

  it('is the same for the same checkpoint', () => {
    const make = () => exportCheckpoint(source, { format: 'onnx', shape: [12, 12, 1] })[0]!.content;
    expect(sha256(make())).toBe(sha256(make()));
  });
});

describe('a request', () => {
  it.each<[string, object, string, RegExp]>([
    ['a shape without channels', { shape: [28, 28] }, 'INVALID_ARGUMENT', /export: shape: /],
    ['an empty axis', { shape: [28, 0, 1] }, 'INVALID_ARGUMENT', /export: shape.1: /],
    [
      'an image that no machine runs',
      { shape: [9999, 9999, 9999, 1] },
      'INVALID_ARGUMENT',
      /at most 67108864 values/,
    ],
    ['an unknown format', { format: 'pickle' }, 'INVALID_ARGUMENT', /export: format: .*onnx/],
    ['an unknown modality', { modality: 'xray' }, 'INVALID_ARGUMENT', /expected ct, mri, none .*found xray/],
    [
      'an unknown body part',
      { bodyPart: 'foot' },
      'INVALID_ARGUMENT',
      /expected chest, head, none .*found foot/,
    ],
    [
      'a task without a head',
      { task: 'age' },
      'FAILED_PRECONDITION',
      /no head for task age; it has: region, organ/,
    ],
    ['no batch', { batch: 0 }, 'INVALID_ARGUMENT', /export: batch: /],
  ])('is refused for %s', (_, change, code, message) => {
    const request = { format: 'onnx', shape: [12, 12, 1], ...change } as ExportRequest;
    expect(() => exportCheckpoint(source, request)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

/** A nano model whose every parameter was moved, as training does: no bias is zero. */
function checkpoint(): SourceCheckpoint {
  const spec = {
    dataset: sha256('dataset'),
    method: { name: 'simclr' },
    model: 'nano',
    steps: 1,
    codeVersion: '0.1.0+test',
  };
  const hash = sha256('checkpoint');
  const untrained = new Medformer(MODEL_PRESETS.nano, CODES, HEADS, { seed: 3 });
  const weights = untrained.parameters.toStored();
  untrained.dispose();
  for (const [name, { data }] of weights) {
    const rng = Rng.of(4, name);
    for (let index = 0; index < data.length; index += 1) data[index]! += rng.normal(0, 0.05);
  }
  const names = [...weights.keys()];
  const part = (name: string) => names.filter((other) => other.startsWith(`${name}/`));
  const record = parseRecord(
    CheckpointRecord,
    {
      kind: 'medformer.checkpoint.v1',
      run: sha256('run'),
      spec,
      step: 1,
      model: MODEL_PRESETS.nano,
      weights: [{ sha256: hash, bytes: 0 }],
      optimiser: [{ sha256: hash, bytes: 0 }],
      parts: { input: part('input'), body: part('body'), output: part('output'), method: part('method') },
      codes: CODES,
      heads: HEADS,
      input: { mean: 0.5, std: 0.5 },
      dataset: spec.dataset,
      codeVersion: spec.codeVersion,
      history: [],
    },
    'checkpoint',
  );
  return { checkpoint: hash, record, weights };
}

function pixels(shape: number[]): tf.Tensor {
  const rng = Rng.of(7, shape.join());
  const values = Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, () => rng.uniform(0, 1));
  return tf.tensor(values, shape);
}

function expectClose(name: string, found: Float32Array, live: tf.Tensor): void {
  const expected = live.dataSync();
  expect(found.length).toBe(expected.length);
  const difference = found.reduce(
    (most, value, index) => Math.max(most, Math.abs(value - expected[index]!)),
    0,
  );
  differences[name] = Math.max(difference, differences[name] ?? 0);
  expect(difference).toBeLessThan(1e-4);
}

type Run = (x: tf.Tensor) => Promise<Record<string, Float32Array>>;

/** By ONNX Runtime. */
async function onnx([file]: ExportedFile[]): Promise<Run> {
  const session = await ort.InferenceSession.create(file!.content);
  return async (x) => {
    const given = new ort.Tensor('float32', Float32Array.from(x.dataSync()), x.shape);
    const outputs = await session.run({ pixels: given });
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]),
    );
  };
}

/** By tfjs-node's loader, from disk. */
async function savedModel(files: ExportedFile[]): Promise<Run> {
  const root = await mkdtemp(join(folder, 'model-'));
  for (const { path, content } of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  // Not before useBackend: that says which binding it loads.
  const { default: tfjsNode } = await import('@tensorflow/tfjs-node');
  const loaded = await tfjsNode.node.loadSavedModel(root);
  return async (x) => {
    const outputs = loaded.predict({ pixels: x }) as tf.NamedTensorMap;
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name, tensor.dataSync() as Float32Array]),
    );
  };
}
