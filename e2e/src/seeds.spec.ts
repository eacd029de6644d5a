import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';

let folder: string;
let services: Services;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-seeds-'));
  services = await startStandalone(join(folder, 'data'));
  const archive = join(folder, 'thirds.npz');
  await writeFile(archive, npz(medmnistMembers()));
  const argv = ['ingest', archive, '--name', 'thirds', '--modality', 'xray', '--body-part', 'chest'];
  await medformerJson(services.env, ...argv);
});

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('one file trains a run per seed, scored online and ended early, and finds them all again', async () => {
  const { env } = services;
  const { labelSpaces } = (await medformerJson(env, 'datasets', 'show', 'thirds')).record;
  const file = join(folder, 'simclr.yaml');
  await writeFile(
    file,
    [
      'dataset: thirds',
      'method: { name: simclr }',
      'optimiser: { name: lars, rateScaling: linear, warmupSteps: 1 }',
      'batchSize: 16',
      'steps: 40',
      'seeds: [0, 1]',
      `monitor: { task: ${labelSpaces[0].task}, every: 1 }`,
      // No accuracy rises by as much: every run ends two steps after its first score.
      'earlyStop: { metric: knn-accuracy, patience: 2, minDelta: 1 }',
    ].join('\n'),
  );

  const { runs, summary } = await medformerJson(env, 'train', file);

  expect(runs).toMatchObject([
    { seed: 0, state: 'succeeded', step: 3, steps: 40 },
    { seed: 1, state: 'succeeded', step: 3, steps: 40 },
  ]);
  expect(runs[0].run).not.toBe(runs[1].run);
  const accuracies = runs.map(({ metrics }: { metrics: Record<string, number> }) => metrics['knn accuracy']);
  expect(summary['knn accuracy'].values).toEqual(accuracies);
  expect(summary['knn accuracy'].mean).toBeCloseTo((accuracies[0] + accuracies[1]) / 2, 9);
  expect(await medformerJson(env, 'train', file)).toEqual({ runs, summary });
  // One of them alone is the run that is there.
  const alone = join(folder, 'alone.yaml');
  await writeFile(alone, (await readFile(file, 'utf8')).replace('seeds: [0, 1]', 'seed: 1'));
  expect(await medformerJson(env, 'train', alone)).toMatchObject({ run: runs[1].run, step: 3 });
  const { code, stderr } = await medformer(env, 'train', file, '--set', 'optimiser.momentm=0.5');
  expect([code, stderr.trim()]).toEqual([13, expect.stringMatching(/optimiser\.momentm: no such key$/)]);
}, 180_000);
