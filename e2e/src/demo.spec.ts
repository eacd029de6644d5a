import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './harness/services.js';
import { descendants, isAlive } from './harness/training.js';
import { until } from './harness/until.js';

/** The demo's own experiment files, made small: fewer patients, seeds, steps and images. */
const SMALLER: [file: RegExp, pattern: RegExp, value: string][] = [
  [/^demo/, /patients: \d+/, 'patients: 12'],
  [/^demo/, /volumePatients: \d+/, 'volumePatients: 1'],
  [/^evaluate/, /seeds: .*/, 'seeds: [0, 1]'],
  [/./, /labelsPerClass: \d+/, 'labelsPerClass: 2'],
  [/./, /batchSize: \d+/, 'batchSize: 16'],
  // Long enough to be killed in the middle.
  [/^simclr\.yaml/, /steps: \d+/, 'steps: 60'],
  [/^(?!simclr\.yaml)/, /steps: \d+/, 'steps: 3'],
];
/** Two self-supervised runs; fine-tuned from each and from scratch, one per seed. */
const RUNS = 2 + 3 * 2;

// Eight trainings: minutes on a machine that does much else.
describe('make demo', { timeout: 900_000 }, () => {
  let folder: string;
  let experiment: string;
  let data: string;
  const runs: { kill(signal: 'SIGKILL'): boolean }[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-demo-'));
    data = join(folder, 'data');
    experiment = join(folder, 'experiments/demo');
    await cp(join(ROOT, 'experiments/demo'), experiment, { recursive: true });
    await cp(join(ROOT, 'e2e/fixtures'), join(folder, 'e2e/fixtures'), { recursive: true });
    for (const file of await readdir(experiment)) {
      let text = await readFile(join(experiment, file), 'utf8');
      for (const [files, pattern, value] of SMALLER)
        if (files.test(file)) text = text.replace(pattern, value);
      await writeFile(join(experiment, file), text);
    }
  });

  afterAll(async () => {
    // A run that its test gave up on would go on without it.
    for (const run of runs) run.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  function demo() {
    const run = execa(process.execPath, ['tools/demo.mjs', '--experiment', experiment], {
      cwd: ROOT,
      env: { MEDFORMER_DATA: data },
      all: true,
      reject: false,
    });
    runs.push(run);
    return run;
  }

  it('killed while it trains leaves no process behind', async () => {
    const killed = demo();
    let said = '';
    killed.all?.on('data', (chunk) => {
      said += chunk;
    });
    await until('the training', () => (/simclr.*loss/.test(said) ? true : undefined), 400_000);
    const all = descendants(killed.pid!);
    expect(all.length).toBeGreaterThan(0);
    killed.kill('SIGKILL');
    await killed;
    await until('the services to end', () => (all.some(isAlive) ? undefined : true), 30_000);
  });

  it('run again goes on to the table, the report and an embedding', async () => {
    const { exitCode, all } = await demo();
    expect(all).toMatch(/phantom [0-9a-f]{12}: .*\(found, ingested before\)/);
    expect(all).toMatch(/real-images [0-9a-f]{12}: .*\(found, ingested before\)/);
    expect(all).not.toMatch(/trained before/);
    for (const label of ['SimCLR', 'Barlow Twins', 'From scratch']) expect(all).toContain(label);
    expect(all).toMatch(/AUC.*ACC.*top-1.*top-3.*top-5/);
    expect(all).toContain('±');
    expect(all).toContain('grpcurl -plaintext');
    expect(all).toMatch(/embedding +\[-?\d/);
    expect(exitCode).toBe(0);
    expect(await readFile(join(data, 'report.html'), 'utf8')).toMatch(/^<!doctype html>/i);
  });

  it('run a third time finds everything and computes nothing again', async () => {
    const { exitCode, all } = await demo();
    expect(exitCode).toBe(0);
    expect(all?.match(/\(found, ingested before\)/g)).toHaveLength(2);
    expect(all?.match(/\(found, trained before\)/g)).toHaveLength(RUNS);
    expect(all).not.toMatch(/loss \d/);
  });
});
