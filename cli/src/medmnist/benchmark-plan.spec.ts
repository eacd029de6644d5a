import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ScoreReport } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BenchmarkPlan, readBenchmarkPlan } from './benchmark-plan.js';
import { benchmarkTables } from './benchmark-tables.js';
import type { SetResult } from './run-benchmark.js';

const PLAN = fileURLToPath(new URL('../../../experiments/medmnist/benchmark.yaml', import.meta.url));

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'medmnist-plan-'));
  for (const flag of ['pathmnist', 'organmnist3d']) await writeFile(join(root, `${flag}.npz`), '');
});
afterAll(() => rm(root, { recursive: true }));

const read = (wanted: string[], overrides: string[] = []) =>
  readBenchmarkPlan(PLAN, { root, wanted, overrides });
const ALONE = 'regimes=[st, ssl-st]';

describe('readBenchmarkPlan', () => {
  it('puts what is said of a set over what is said of its axes, and that over what every run has', async () => {
    const [path, organ] = (await read(['found'])).sets;

    expect(path!.spec('ssl', 1)).toMatchObject({
      dataset: 'pathmnist-28',
      dimensions: [2],
      seed: 1,
      method: { name: 'simclr' },
      batchSize: 128,
      steps: 200,
    });
    expect(organ!.spec('ssl', 0)).toMatchObject({ dimensions: [3], batchSize: 32, steps: 40 });
    expect(organ!.spec('st', 0)).toMatchObject({
      method: { name: 'supervised', task: 'organmnist3d' },
      steps: 3000,
      // Ten checkpoints, all of which stay to be picked from.
      checkpointEvery: 300,
      keep: { every: 300 },
    });
  });

  it('replaces a method of another name whole', async () => {
    const [path] = (await read(['pathmnist'], [ALONE, 'phases.ssl.method={name: mae}'])).sets;

    expect(path!.spec('ssl', 0).method).toEqual({ name: 'mae' });
  });

  it('trains on all chosen sets together: images and volumes, a task each, in one run that is the same for every set', async () => {
    const { sets } = await read(
      ['found'],
      ['sets.pathmnist.task={weight: 0.5}', 'dimensions.3.common={batchSize: 7}'],
    );
    const [path, organ] = sets;

    expect(path!.spec('mt', 1)).toMatchObject({
      dataset: 'pathmnist-28',
      datasets: ['organmnist3d-28'],
      dimensions: [2, 3],
      seed: 1,
      method: { name: 'multi-task', tasks: [{ task: 'pathmnist', weight: 0.5 }, { task: 'organmnist3d' }] },
      batchSize: 128,
      keep: { every: 2000 },
    });
    expect(path!.spec('ssl-all', 1)).toMatchObject({
      datasets: ['organmnist3d-28'],
      method: { name: 'simclr' },
    });
    for (const phase of ['mt', 'ssl-all'] as const)
      expect(organ!.spec(phase, 1)).toEqual(path!.spec(phase, 1));
  });

  it("gives a set's head the same form alone and among others", async () => {
    const [path] = (await read(['found'], ['sets.pathmnist.task={ordinal: cumulative, weight: 2}'])).sets;

    expect(path!.spec('st', 0).method).toEqual({
      name: 'supervised',
      task: 'pathmnist',
      ordinal: 'cumulative',
    });
    expect((path!.spec('mt', 0).method as { tasks: unknown[] }).tasks[0]).toEqual({
      task: 'pathmnist',
      ordinal: 'cumulative',
      weight: 2,
    });
  });

  it('refuses to train one set together with no other', async () => {
    await expect(read(['pathmnist'])).rejects.toThrow(/regimes mt, ssl-mt train on several sets together/);
  });

  it('has references for all 18 sets, and names the files that are missing', async () => {
    const missing = await read(['all']).catch((error: Error) => error.message);

    expect(String(missing).match(/\.npz/g)).toHaveLength(16);
    expect(missing).toContain(join(root, 'chestmnist.npz'));
  });

  it('refuses a set that MedMNIST does not have, and a key that no run has', async () => {
    await expect(read(['lungmnist'])).rejects.toThrow(
      /--sets: lungmnist is none of MedMNIST's sets: pathmnist/,
    );
    await expect(read(['found'], ['common.batchsize=3'])).rejects.toThrow(
      /pathmnist, .*batchsize: no such key/,
    );
  });
});

const scoredOf = (rows: unknown[]) => ({ report: '', record: { rows } as unknown as ScoreReport });

describe('benchmarkTables', () => {
  it("shows our scores beside others', and differences paired by seed", async () => {
    const plan = await read(['found'], ['seeds=[0, 1]']);
    const summary = (...values: number[]) => ({ mean: (values[0]! + values[1]!) / 2, std: 0.01, values });
    const rows = [
      { auc: summary(0.9, 0.92), accuracy: summary(0.7, 0.72) },
      { auc: summary(0.91, 0.93), accuracy: summary(0.6, 0.6) },
      { auc: summary(0.94, 0.98), accuracy: summary(0.71, 0.71) },
      { auc: summary(0.95, 0.95), accuracy: summary(0.72, 0.72) },
    ];
    const result = {
      flag: 'pathmnist',
      title: 'PathMNIST',
      regimes: plan.regimes,
      scored: scoredOf(rows),
      picked: {},
      sslSteps: 200,
    };
    const cells = (text: string) =>
      text
        .split('\n')
        .filter((line) => line.includes('PathMNIST'))
        .map((line) =>
          line
            .split('│')
            .map((cell) => cell.trim())
            .slice(1, -1),
        );

    const text = benchmarkTables(plan, [result], { ownData: true });
    expect(cells(text)[0]).toEqual(
      (
        'PathMNIST|0.910 ± 0.010|0.710 ± 0.010|0.920 ± 0.010|0.600 ± 0.010|0.960 ± 0.010|0.710 ± 0.010|' +
        '0.950 ± 0.010|0.720 ± 0.010|0.983|0.907|0.990|0.911'
      ).split('|'),
    );
    expect(cells(text)[1]).toEqual(
      (
        'PathMNIST|+0.010 ± 0.000|-11.0 ± 1.4|+0.050 ± 0.014|+0.0 ± 1.4|+0.040 ± 0.014|+11.0 ± 0.0|200|' +
        '-0.004|-1.0|-0.001|-5.3|+0.003|-4.3|200'
      ).split('|'),
    );
    expect(text).toContain('MT: one set of weights for 2 sets, 20000 steps');
    expect(text).toContain('SSL on all of them together: 500 steps');
    expect(text).toContain("These need not be MedMNIST's files");

    // What has not been run has empty columns.
    const alone: BenchmarkPlan = { ...plan, regimes: ['st', 'ssl-st'] };
    const two = { ...result, regimes: alone.regimes, scored: scoredOf([rows[0], rows[2]]) };
    expect(cells(benchmarkTables(alone, [two], { ownData: false }))[1]).toEqual(
      'PathMNIST|||+0.050 ± 0.014|+0.0 ± 1.4|||200|-0.004|-1.0|-0.001|-5.3|+0.003|-4.3|200'.split('|'),
    );
  });

  it('shows a gap where a regime of a set failed, and of a set of which nothing was scored', async () => {
    const plan = await read(['found'], ['seeds=[0]']);
    const score = { mean: 0.5, std: 0, values: [0.5] };
    const row = { auc: score, accuracy: score };
    const base = { flag: 'pathmnist', title: 'PathMNIST', picked: {}, sslSteps: 200 };
    const lines = (result: SetResult) =>
      benchmarkTables(plan, [result], { ownData: false })
        .split('\n')
        .filter((line) => line.includes('PathMNIST'))
        .map((line) => line.split('│').map((cell) => cell.trim()));

    const [scores, differences] = lines({
      ...base,
      regimes: ['st', 'ssl-st', 'ssl-mt'],
      scored: scoredOf([row, row, row]),
    });
    expect(scores!.slice(2, 8)).toEqual(['0.500', '0.500', 'failed', 'failed', '0.500', '0.500']);
    expect(differences!.slice(2, 8)).toEqual(['failed', 'failed', '+0.000', '+0.0', 'failed', 'failed']);
    const none = lines({ ...base, regimes: [], scored: undefined });
    expect(none[0]!.filter((cell) => cell === 'failed')).toHaveLength(8);
  });
});
