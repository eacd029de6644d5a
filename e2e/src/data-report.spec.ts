import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';

const PIXELS = 28 * 28;
/** NumPy's header in the harness's archives. */
const HEADER = 128;

describe('a data report', { timeout: 300_000 }, () => {
  let folder: string;
  let services: Services;
  let env: Record<string, string>;
  let message: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-data-report-'));
    services = await startStandalone(join(folder, 'data'));
    env = services.env;
  });

  afterAll(async () => {
    await services?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('raises no alarm on a phantom cohort, says what it is made of, and is found when asked again', async () => {
    await medformerJson(
      env,
      'ingest',
      'phantom',
      '--name',
      'phantom',
      '--patients',
      '12',
      '--volume-patients',
      '2',
    );
    const page = join(folder, 'phantom.html');
    const described = await medformerJson(env, 'datasets', 'report', 'phantom', '--out', page);

    expect(described.leakage).toBe('');
    expect(described.record.duplicates).toMatchObject({ listed: [] });
    expect(described.record.groups.length).toBeGreaterThan(4);
    expect(described.record.similarity.pixels.means).toHaveLength(described.record.groups.length);
    expect(await readFile(page, 'utf8')).toContain('No image and no subject stands in two splits.');
    const again = await medformerJson(env, 'datasets', 'report', 'phantom');
    expect(again.report).toBe(described.report);
  });

  it('finds a training image that was put among the images to test on', async () => {
    const archive = join(folder, 'leaking.npz');
    await writeFile(archive, npz(withCopy()));
    await medformerJson(
      env,
      'ingest',
      archive,
      '--name',
      'leaking',
      '--modality',
      'xray',
      '--body-part',
      'chest',
    );
    const page = join(folder, 'leaking.html');
    const { record, leakage } = await medformerJson(env, 'datasets', 'report', 'leaking', '--out', page);

    const [pair] = record.duplicates.listed;
    expect(record.duplicates.listed).toHaveLength(1);
    expect(pair).toMatchObject({ kind: 'exact', leaks: true });
    const [train, test] = pair.images;
    message = `dataset leaking: 1 pair of images stands in two splits: ${train.id} (train) and ${test.id} (test) have equal pixels`;
    expect(leakage).toBe(message);
    const html = await readFile(page, 'utf8');
    expect(html).toContain(train.id);
    expect(html.match(/data:image\/png/g)).toHaveLength(2);
  });

  it('stops training before the first step, with a message that says how to allow it', async () => {
    const spec = join(folder, 'spec.yaml');
    await writeFile(spec, 'dataset: leaking\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 2\n');
    const refused = await medformer(env, 'train', spec);

    expect(refused.code).toBe(19);
    expect(refused.stderr).toContain(
      `${message}. Scores on such a split would be too high. Mend the splits, or allow it by \`leakage: warn\` in the run's spec`,
    );
    expect(await medformerJson(env, 'runs', 'ls')).toEqual([]);
  });

  it('lets it train when allowed, warns of it, and an evaluation says it', async () => {
    const spec = join(folder, 'allowed.yaml');
    await writeFile(
      spec,
      'dataset: leaking\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 2\nleakage: warn\n',
    );
    const trained = await medformer(env, '--json', 'train', spec);
    expect(trained.code).toBe(0);
    expect(trained.stderr).toContain(message);
    const { checkpoint } = JSON.parse(trained.stdout);
    const { record: manifest } = await medformerJson(env, 'datasets', 'show', 'leaking');
    const task = manifest.labelSpaces[0].task;
    const scored = await medformerJson(
      env,
      ...['evaluate', '--dataset', 'leaking', '--task', task, '--seeds', '0'],
      ...['--entry', `SimCLR:knn:${checkpoint}`],
    );
    expect(scored.record.leakage).toBe(message);

    const described = await medformerJson(env, 'datasets', 'report', 'leaking', '--checkpoint', checkpoint);
    expect(described.record.duplicates.listed[0].embeddingCosine).toBeCloseTo(1, 3);
    expect(described.record.similarity.embedding.means).toHaveLength(described.record.groups.length);
  });
});

/** An archive whose sixth image to test on is the third one to train on. */
function withCopy() {
  const members = medmnistMembers();
  const at = (split: string, image: number) =>
    members[`${split}_images`]!.subarray(HEADER + image * PIXELS, HEADER + (image + 1) * PIXELS);
  at('test', 5).set(at('train', 2));
  return members;
}
