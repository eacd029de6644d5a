import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';

const MODEL =
  'model: { width: 24, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 4, frequencies: 2 }\n';

let folder: string;
let services: Services;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-checkpoints-'));
  services = await startStandalone(join(folder, 'data'));
  await writeFile(join(folder, 'thirds.npz'), npz(medmnistMembers({ train: 48, val: 24, test: 24 })));
  const argv = ['ingest', join(folder, 'thirds.npz'), '--name', 'thirds', '--modality', 'xray'];
  await medformerJson(services.env, ...argv, '--body-part', 'chest');
});
afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('a run keeps its first, best and last checkpoint, each of which can be served, scored and started from by name', async () => {
  const { env } = services;
  const pretext = join(folder, 'simclr.yaml');
  const tuned = join(folder, 'tuned.yaml');
  const { labelSpaces } = (await medformerJson(env, 'datasets', 'show', 'thirds')).record;
  const { task } = labelSpaces[0];
  const common = `dataset: thirds\nbatchSize: 24\n${MODEL}`;
  await writeFile(
    pretext,
    `${common}method: { name: simclr }\nsteps: 12\ncheckpointEvery: 3\nmonitor: { task: ${task}, every: 3 }\nkeep: { last: 1, best: knn-accuracy, initial: true }\n`,
  );
  await writeFile(tuned, `${common}method: { name: supervised, task: ${task} }\nsteps: 2\n`);

  const { run } = await medformerJson(env, 'train', pretext);
  const shown = async () => (await medformerJson(env, 'runs', 'show', run)).checkpoints;
  const kept: { step: number; checkpoint: string; keptAs: string[]; value?: number }[] = await shown();
  expect(kept.map(({ step }) => step)).toEqual([...new Set([0, ...kept.map(({ step }) => step), 12])]);
  const best = kept.find(({ keptAs }) => keptAs.includes('best'))!;
  expect(best.value).toBe(Math.max(...kept.map(({ value }) => value ?? 0)));
  expect((await medformer(env, 'runs', 'show', run)).stdout).toContain('knn-accuracy');

  const served = await medformerJson(env, 'serve', '--run', `${run}@best`);
  expect(served.lineage.checkpoint).toBe(best.checkpoint);
  const { record } = await medformerJson(
    env,
    ...['evaluate', '--dataset', 'thirds', '--task', task, '--seeds', '0'],
    ...['--entry', `Untrained:knn:run=${run}@initial`, '--entry', `Best:knn:run=${run}@${best.step}`],
  );
  expect(record.rows.map(({ checkpoints }: { checkpoints: string[] }) => checkpoints)).toEqual([
    [kept[0]!.checkpoint],
    [best.checkpoint],
  ]);
  const missing = await medformer(env, 'serve', '--run', `${run}@7`);
  expect(missing.code).toBe(15);
  expect(missing.stderr).toContain('keeps no checkpoint 7; it has 0=initial');

  const tuning = await medformer(env, 'train', tuned, '--set', `initial.checkpoint=run=${run}@best`);
  expect(tuning.code).toBe(0);
  expect(tuning.stderr).toMatch(
    new RegExp(`starts from checkpoint ${best.checkpoint.slice(0, 12)}: \\d+ tensors as they were`),
  );
  expect(tuning.stderr).toMatch(/of the other's left behind: method\/simclr/);
  const surprised = await medformer(
    env,
    ...['train', tuned, '--set', `initial.checkpoint=run=${run}@best`, '--set', 'initial.allow=["x"]'],
    ...['--set', 'model.depth=2'],
  );
  expect(surprised.code).toBe(19);
  expect(surprised.stderr).toMatch(/initial checkpoint \w+: body\/\S+: missing \[/);

  expect((await shown()).find(({ step }: { step: number }) => step === best.step).keptAs).toContain(
    'referred',
  );
}, 600_000);
