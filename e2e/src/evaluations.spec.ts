import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@medformer/schema';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { medformer, medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';

let folder: string;
let services: Services;
let env: Record<string, string>;
let spec: string;
let checkpoints: [string, string];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-evaluations-'));
  services = await startStandalone(join(folder, 'data'));
  env = services.env;
  const archive = join(folder, 'thirds.npz');
  await writeFile(archive, npz(medmnistMembers()));
  await medformerJson(
    env,
    ...['ingest', archive, '--name', 'thirds', '--modality', 'xray', '--body-part', 'chest'],
  );
  const { record } = await medformerJson(env, 'datasets', 'show', 'thirds');
  const run = join(folder, 'run.yaml');
  await writeFile(
    run,
    stringify({
      dataset: 'thirds',
      method: { name: 'simclr' },
      batchSize: 16,
      steps: 2,
      keep: { initial: true },
    }),
  );
  const trained = await medformerJson(env, 'train', run);
  const shown = await medformerJson(env, 'runs', 'show', trained.run);
  const [initial, last] = shown.checkpoints.map(({ checkpoint }: { checkpoint: string }) => checkpoint);
  checkpoints = [initial, last];
  spec = join(folder, 'evaluation.yaml');
  const entries = [{ label: 'Before', protocol: 'knn', checkpoints: [initial] }];
  await writeFile(
    spec,
    stringify({
      dataset: 'thirds',
      task: record.labelSpaces[0].task,
      labelsPerClass: 2,
      seeds: [0, 1],
      entries,
    }),
  );
});

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('queues an evaluation, follows it to its end, and has its files and a comparison with another', async () => {
  const queued = await medformerJson(env, 'evaluate', spec, '--detach');
  expect(queued.evaluation).toMatch(/^[0-9a-f]{64}$/);
  const done = await medformerJson(env, 'evaluations', 'watch', queued.evaluation);
  expect(done).toMatchObject({ evaluation: queued.evaluation, state: 'succeeded' });
  expect(await medformerJson(env, 'evaluations', 'ls')).toMatchObject([{ ...done }]);
  expect((await medformerJson(env, 'evaluations', 'show', queued.evaluation)).spec.seeds).toEqual([0, 1]);

  const page = join(folder, 'report.html');
  const file = await medformerJson(env, 'evaluations', 'report', queued.evaluation, '-o', page);
  expect(file).toMatchObject({ report: done.report, mediaType: 'text/html; charset=utf-8' });
  expect(sha256(await readFile(page))).toBe(file.sha256);

  const entry = `After:knn:${checkpoints[1]}`;
  const after = await medformerJson(env, 'evaluate', spec, '--entry', entry);
  const compared = await medformer(env, 'evaluations', 'compare', queued.evaluation, `${after.report}:0`);
  expect(compared.stdout).toContain('Before (knn) - After (knn)');
  expect(compared.stdout).toContain('paired-bootstrap');
});

it('says by its exit code that a followed evaluation failed, and what cannot be compared', async () => {
  const entry = `Head:head:${checkpoints[0]}`;
  const { evaluation } = await medformerJson(env, 'evaluate', spec, '--entry', entry, '--detach');
  const failed = await medformer(env, 'evaluations', 'watch', evaluation);
  expect(failed.code).not.toBe(0);
  expect(failed.stderr).toContain('protocol head: expected a checkpoint trained on labels');
  const nothing = await medformer(env, 'evaluations', 'report', evaluation, '-o', join(folder, 'none.html'));
  expect(nothing).toMatchObject({ code: 19, stderr: expect.stringContaining('failed, it has no report') });
});
