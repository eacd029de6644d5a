import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson, medformerProcess } from './harness/medformer.js';
import { ROOT, type Services, startStandalone } from './harness/services.js';
import { reachesStep } from './harness/training.js';
import { until } from './harness/until.js';

const SETS = ['chestmnist', 'retinamnist', 'adrenalmnist3d'];
const SMALL = [
  'picks=2',
  'seeds=[0]',
  'common.model={width: 24, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 8, frequencies: 3}',
  'common.batchSize=16',
  'phases.st.steps=4',
  'sets.chestmnist.phases.ssl.steps=2',
  'phases.ssl-all.batchSize=8',
  'phases.ssl-all.steps=2',
  'phases.mt.accumulate=2',
  'phases.mt.steps=60',
].flatMap((setting) => ['--set', setting]);
/** Every run starts a process that builds its step anew. */
const TIME = 900_000;

let folder: string;
let services: Services;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-medmnist-'));
  const sets = join(ROOT, 'tools/medmnist/phantom-sets.mjs');
  const counts = ['--patients', '16', '--volume-patients', '8', '--sets', SETS.join()];
  await execa(process.execPath, [sets, join(folder, 'root'), ...counts]);
  services = await startStandalone(join(folder, 'data'));
}, 120_000);

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true });
});

const benchmark = (...more: string[]) => [
  'benchmark',
  'medmnist',
  '--root',
  join(folder, 'root'),
  '-o',
  join(folder, 'out'),
  ...SMALL,
  ...more,
];

describe('medformer benchmark medmnist', () => {
  it('refuses files that have the name of a set but not its checksum', async () => {
    const ended = await medformer(services.env, ...benchmark('--sets', 'retinamnist,adrenalmnist3d'));

    expect(ended.code).not.toBe(0);
    expect(ended.stderr).toMatch(
      /retinamnist\.npz: expected MD5 bd4c0672f1bba3e3a89f0e4e876791e4 of retinamnist\.npz/,
    );
  });

  it('names the files that are missing', async () => {
    const ended = await medformer(services.env, ...benchmark('--sets', 'all'));

    expect(ended.stderr).toMatch(/no file .*pathmnist\.npz/);
  });

  it(
    'trains a multi-label set alone and after self-supervision, tests what validation picked, and finds all done again',
    async () => {
      const alone = ['--sets', 'chestmnist', '--set', 'regimes=[st, ssl-st]'];
      const command = benchmark(...alone, '--allow-md5-mismatch');
      const { sets } = await medformerJson(services.env, ...command);
      const earlier = join(
        folder,
        'out',
        'chestmnist',
        'chestmnist_test_[AUC]0.123_[ACC]0.456@0-ST-head-seed-0.csv',
      );
      await writeFile(earlier, '');
      const again = await medformer(services.env, ...command);

      const [chest] = sets;
      expect(chest.rows.map(({ label }: { label: string }) => label)).toEqual(['ST', 'SSL, then ST']);
      expect(chest.sslSteps).toBe(2);
      expect([2, 4]).toContain(chest.picked.st[0].step);
      const files = await readdir(join(folder, 'out', 'chestmnist'));
      expect(files.sort()[0]).toMatch(
        /^chestmnist_test_\[AUC\]0\.\d{3}_\[ACC\]0\.\d{3}@\d-(SSL-then-)?ST-head-seed-0\.csv$/,
      );
      expect(files).toHaveLength(2);
      const csv = await readFile(join(folder, 'out', 'chestmnist', files[0]!), 'utf8');
      expect(csv.split('\n')[0]!.split(',')).toHaveLength(15);
      expect(again.stderr.match(/found, trained before/g)).toHaveLength(3);
      expect(again.stdout).toContain('ChestMNIST');
    },
    TIME,
  );

  it(
    'trains an ordinal set in colour and a binary one of volumes, alone and together, and goes on from where it was interrupted',
    async () => {
      const chosen = ['--sets', 'retinamnist,adrenalmnist3d', '--set', 'regimes=[st, mt, ssl-mt]'];
      const command = benchmark(...chosen, '--allow-md5-mismatch');

      const first = medformerProcess(services.env, ...command);
      const joint = async () => {
        const runs: Run[] = await medformerJson(services.env, 'runs', 'ls');
        return runs.find(({ method }) => method === 'multi-task');
      };
      const { run } = await until('the run on both sets', joint, TIME);
      await reachesStep(services.env, run, 35);
      first.kill('SIGINT');
      expect((await first).exitCode).toBe(130);
      expect((await joint())?.state).toBe('cancelled');
      const gone = await medformer(services.env, '--json', ...command);

      expect(gone.stderr).toMatch(/ST, seed 0: st \S+ 4 steps \(found, trained before\)/);
      expect(gone.stderr).toMatch(/ MT, seed 0: mt [0-9a-f]{12}: 60 steps\n/);
      const { sets } = JSON.parse(gone.stdout);
      expect(sets.map(({ flag }: { flag: string }) => flag)).toEqual(['retinamnist', 'adrenalmnist3d']);
      const checkpoints = sets.map(({ rows, picked }: Result) => {
        expect(rows.map(({ label }) => label)).toEqual(['ST', 'MT', 'SSL, then MT']);
        for (const { auc } of rows) expect(auc.mean).toBeGreaterThan(0);
        expect([30, 60]).toContain(picked.mt![0]!.step);
        return rows[1]!.checkpoints;
      });
      // One run, of which each set has its own best checkpoint.
      const { checkpoints: kept } = await medformerJson(services.env, 'runs', 'show', run);
      for (const [checkpoint] of checkpoints)
        expect(kept.map((each: { checkpoint: string }) => each.checkpoint)).toContain(checkpoint);
      // One run on both sets without labels, and one more with them.
      expect(gone.stderr.match(/seed 0: ssl-all [0-9a-f]{12}: 2 steps\n/g)).toHaveLength(1);
      expect(gone.stderr.match(/seed 0: mt [0-9a-f]{12}: 60 steps\n/g)).toHaveLength(2);
    },
    TIME,
  );
});

interface Run {
  run: string;
  method: string;
  state: string;
}

interface Result {
  rows: { label: string; auc: { mean: number }; checkpoints: string[] }[];
  picked: Record<string, { step: number }[]>;
}
