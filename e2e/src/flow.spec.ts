import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getRecord, openObjectStore } from '@medformer/object-store';
import { CheckpointRecord, contentAddress, DatasetManifest, decodeSafetensors, Rng } from '@medformer/schema';
import ort from 'onnxruntime-node';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { CLASSES, medmnistMembers, npz } from './harness/npz.js';
import { type Services, startSeparately, startStandalone } from './harness/services.js';

describe.each([
  ['five services on their own ports', startSeparately],
  ['standalone', startStandalone],
])('from raw images to an embedding, against %s', (_name, start) => {
  let folder: string;
  let data: string;
  let services: Services;
  let env: Record<string, string>;
  let checkpoint: string;
  let run: string;
  let manifest: string;
  let task: string;
  let report: string;
  let embedding: number[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-flow-'));
    data = join(folder, 'data');
    services = await start(data);
    env = services.env;
  });

  afterAll(async () => {
    const codes = await services?.stop();
    await rm(folder, { recursive: true, force: true });
    expect(codes?.every((code) => code === 0)).toBe(true);
  });

  it('finds every service healthy', async () => {
    const doctor = await medformerJson(env, 'doctor');
    expect(doctor.machine.backend).toBe('native');
    expect(Object.values(doctor.services)).toHaveLength(5);
    for (const { health } of Object.values<{ health: string }>(doctor.services))
      expect(health).toBe('SERVING');
  });

  it('ingests a MedMNIST archive once', async () => {
    const archive = join(folder, 'thirds.npz');
    await writeFile(archive, npz(medmnistMembers()));
    const argv = ['ingest', archive, '--name', 'thirds', '--modality', 'xray', '--body-part', 'chest'];
    const first = await medformerJson(env, ...argv);
    expect(first).toMatchObject({ name: 'thirds', images: 84, alreadyPresent: false, refused: [] });
    const second = await medformerJson(env, ...argv);
    expect(second).toMatchObject({ manifest: first.manifest, alreadyPresent: true });
    manifest = first.manifest;
  });

  it('ingests a folder of pictures and leaves out a bad one only when told to', async () => {
    const pictures = join(folder, 'pictures');
    await mkdir(pictures);
    for (let i = 0; i < 6; i += 1) await writeFile(join(pictures, `scan-${i}.png`), await picture(i));
    await writeFile(join(pictures, 'torn.png'), (await picture(9)).subarray(0, 60));
    const argv = ['ingest', pictures, '--name', 'pictures', '--modality', 'ct', '--body-part', 'head'];
    const refused = await medformer(env, ...argv);
    expect(refused.code).toBe(13);
    expect(refused.stderr).toContain('torn.png');
    const taken = await medformerJson(env, ...argv, '--skip-bad-files');
    expect(taken).toMatchObject({ images: 6, refused: [{ path: 'torn.png' }] });
    const datasets = await medformerJson(env, 'datasets', 'ls');
    expect(datasets.map((dataset: { name: string }) => dataset.name).sort()).toEqual(['pictures', 'thirds']);
  });

  it('shows the manifest with the given split and the class counts', async () => {
    const { record } = await medformerJson(env, 'datasets', 'show', 'thirds');
    const parsed = DatasetManifest.parse(record);
    expect(parsed.census.images).toEqual({ train: 48, val: 12, test: 24 });
    expect(parsed.labelSpaces[0]?.classes).toHaveLength(CLASSES);
    task = parsed.labelSpaces[0]!.task;
  });

  it('draws the same views for the same seed', async () => {
    const draw = async (out: string) => {
      const argv = [
        'views',
        'thirds',
        '--images',
        '2',
        '--views',
        '2',
        '--seed',
        '5',
        '-o',
        join(folder, out),
      ];
      return medformerJson(env, ...argv);
    };
    const [first, again] = [await draw('views-a'), await draw('views-b')];
    expect(first).toHaveLength(2);
    for (const [index, { files }] of first.entries()) {
      expect(files).toHaveLength(3);
      for (const [i, file] of files.entries()) {
        const bytes = await readFile(file);
        expect((await sharp(bytes).metadata()).width).toBe(28);
        expect(bytes.equals(await readFile(again[index].files[i]))).toBe(true);
      }
    }
  });

  it('trains a few steps of SimCLR, and finds the same run when asked again', async () => {
    const spec = join(folder, 'simclr.yaml');
    await writeFile(spec, 'dataset: thirds\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 4\n');
    const trained = await medformerJson(env, 'train', spec);
    expect(trained).toMatchObject({ state: 'succeeded', step: 4, steps: 4, method: 'simclr' });
    expect(await medformerJson(env, 'train', spec)).toEqual(trained);
    expect(await medformerJson(env, 'runs', 'ls')).toHaveLength(1);
    ({ checkpoint, run } = trained);
  });

  it('says what the loss should do, and replays the step of a run that met what is not finite', async () => {
    const spec = join(folder, 'diverging.yaml');
    await writeFile(
      spec,
      'dataset: thirds\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 9\noptimiser: { learningRate: 1.0e+30, warmupSteps: 0, clipNorm: 0 }\n',
    );
    const failed = await medformer(env, 'train', spec);
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain(`loss starts near ${Math.log(31).toFixed(3)}, cannot go below `);
    expect(failed.stderr).toMatch(/not finite; the step is kept as [0-9a-f]{64}, to be replayed/);
    const runs: { run: string; state: string }[] = await medformerJson(env, 'runs', 'ls');
    const { run } = runs.find(({ state }) => state === 'failed')!;
    const replayed = await medformerJson(env, 'runs', 'replay', run);
    expect(failed.stderr).toContain(replayed.failedStep);
    expect(replayed).toMatchObject({ loss: 'NaN', op: { backward: false } });
    expect(replayed.images).toHaveLength(16);
  });

  it('scores the checkpoint and finds the same report when asked again', async () => {
    const argv = [
      'evaluate',
      '--dataset',
      'thirds',
      '--task',
      task,
      '--labels-per-class',
      '5',
      '--seeds',
      '0,1',
    ];
    argv.push('--entry', `SimCLR:linear-probe:${checkpoint}`, '--entry', `SimCLR:knn:run=${run}`);
    const scored = await medformerJson(env, ...argv);
    expect(scored.record.rows.map((row: { protocol: string }) => row.protocol)).toEqual([
      'linear-probe',
      'knn',
    ]);
    for (const row of scored.record.rows) {
      expect(row.auc.values).toHaveLength(2);
      for (const value of row.accuracy.values) expect(value).toBeGreaterThanOrEqual(0);
      expect(row.checkpoints).toEqual([checkpoint]);
    }
    expect((await medformerJson(env, ...argv)).report).toBe(scored.report);
    expect(await medformerJson(env, 'report', 'ls')).toHaveLength(1);
    report = scored.report;
  });

  it('renders the report with sample views as one page', async () => {
    const page = join(folder, 'report.html');
    await medformerJson(env, 'report', 'html', report, '-o', page, '--views', 'simclr');
    const html = await readFile(page, 'utf8');
    expect(html).toMatch(/<svg/);
    expect(html).not.toMatch(/<(script|link|img)[^>]+(src|href)=["']https?:/);
  });

  it('serves the checkpoint and answers with an embedding that names its origin', async () => {
    const model = await medformerJson(env, 'serve', checkpoint);
    expect(model).toMatchObject({ width: 96, step: 4, method: 'simclr', lineage: { checkpoint } });
    const image = join(folder, 'one.png');
    await writeFile(image, await picture(3));
    const answer = await medformerJson(env, 'encode', image, '--modality', 'xray', '--body-part', 'chest');
    expect(answer.embedding).toHaveLength(96);
    expect(answer.embedding.every(Number.isFinite)).toBe(true);
    expect(new Set(answer.embedding).size).toBeGreaterThan(10);
    expect(answer.lineage).toMatchObject({ checkpoint, run, dataset: manifest });
    await walkBack(data, answer.lineage);
    embedding = answer.embedding;
  });

  it('shows what the embedding was read from, over the image and by layer', async () => {
    const [image, heat, maps] = ['one.png', 'attention.png', 'attention.safetensors'].map((name) =>
      join(folder, name),
    );
    const names = ['--modality', 'xray', '--body-part', 'chest'];
    const answer = await medformerJson(env, 'attend', image!, ...names, '-o', heat!, '--maps', maps!);
    expect(answer).toMatchObject({ patch: 4, lineage: { checkpoint, run, dataset: manifest } });
    expect(answer.grid).toEqual(answer.spatial.map((edge: number) => Math.ceil(edge / 4)));
    const patches = answer.grid[0] * answer.grid[1];
    expect(answer.heat).toHaveLength(patches);
    expect(answer.heat.reduce((sum: number, value: number) => sum + value, 0)).toBeCloseTo(1, 4);
    // 32 x 40 pixels, enlarged seven times.
    expect(await sharp(heat).metadata()).toMatchObject({
      format: 'png',
      width: 280,
      height: 224,
      channels: 3,
    });

    const { tensors } = decodeSafetensors(await readFile(maps!), maps!);
    const weights = tensors.get('input/cross-attention')!;
    expect(weights.shape).toEqual([3, 16, patches]);
    for (let row = 0; row < 3 * 16; row += 1) {
      const keys = weights.data.subarray(patches * row, patches * (row + 1)) as Float32Array;
      expect(keys.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4);
    }
  });

  it('exports the checkpoint as an ONNX model that gives the same embedding elsewhere', async () => {
    const file = join(folder, 'model.onnx');
    const argv = ['--format', 'onnx', '--shape', '32x40x3', '--modality', 'xray', '-o', file];
    expect(await medformerJson(env, 'export', '--run', run, ...argv)).toMatchObject({ checkpoint });
    const session = await ort.InferenceSession.create(file);
    const pixels = Float32Array.from(
      await sharp(await picture(3))
        .raw()
        .toBuffer(),
      (value) => value / 255,
    );
    const found = await session.run({ pixels: new ort.Tensor('float32', pixels, [1, 32, 40, 3]) });
    const values = found.embedding!.data as Float32Array;
    for (const [index, value] of embedding.entries()) expect(values[index]).toBeCloseTo(value, 4);

    const refused = await medformer(env, 'export', '--checkpoint', '0'.repeat(64), ...argv);
    expect(refused).toMatchObject({ code: 15, stderr: expect.stringContaining('NOT_FOUND: checkpoint') });
  });
});

/** From the lineage in an answer to run, configuration, code version and ingested dataset in the store. */
async function walkBack(
  data: string,
  lineage: { checkpoint: string; run: string; dataset: string; codeVersion: string },
): Promise<void> {
  const store = await openObjectStore({ url: pathToFileURL(join(data, 'store')).href });
  const record = await getRecord(store, CheckpointRecord, lineage.checkpoint, 'checkpoint');
  expect(record.run).toBe(lineage.run);
  expect(contentAddress(record.spec)).toBe(lineage.run);
  expect(record.spec.dataset).toBe(lineage.dataset);
  expect(record.codeVersion).toBe(lineage.codeVersion);
  expect(record.spec.codeVersion).toBe(lineage.codeVersion);
  expect(record.history.at(-1)?.step).toBe(4);
  const key = `datasets/thirds/${lineage.dataset}.json`;
  const manifest = DatasetManifest.parse(JSON.parse((await store.get(key)).toString('utf8')));
  expect(contentAddress(manifest)).toBe(lineage.dataset);
  expect(manifest.name).toBe('thirds');
}

function picture(seed: number): Promise<Buffer> {
  const random = Rng.of(seed, 'picture');
  const pixels = Buffer.from(Array.from({ length: 40 * 32 }, (_, i) => (i % 97) + random.integer(100)));
  return sharp(pixels, { raw: { width: 40, height: 32, channels: 1 } })
    .png()
    .toBuffer();
}
