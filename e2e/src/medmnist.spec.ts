import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { ROOT, type Services, startStandalone } from './harness/services.js';

const SETS = ['chestmnist', 'retinamnist', 'adrenalmnist3d'];
const SMALL = [
  'picks=2',
  'seeds=[0]',
  'common.model=nano',
  'common.batchSize=16',
  'phases.st.steps=4',
  'sets.chestmnist.phases.ssl.steps=2',
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
    const ended = await medformer(services.env, ...benchmark('--sets', 'retinamnist'));

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
      const command = benchmark('--sets', 'chestmnist', '--allow-md5-mismatch');
      const { sets } = await medformerJson(services.env, ...command);
      const again = await medformer(services.env, ...command);

      const [chest] = sets;
      expect(chest.rows.map(({ label }: { label: string }) => label)).toEqual(['ST', 'SSL, then ST']);
      expect(chest.sslSteps).toBe(2);
      expect([2, 4]).toContain(chest.picked.st[0].step);
      const files = await readdir(join(folder, 'out', 'chestmnist'));
      expect(files.sort()[0]).toMatch(
        /^chestmnist_test_\[AUC\]0\.\d{3}_\[ACC\]0\.\d{3}@\d-(SSL-then-)?ST-head-seed-0\.csv$/,
      );
      const csv = await readFile(join(folder, 'out', 'chestmnist', files[0]!), 'utf8');
      expect(csv.split('\n')[0]!.split(',')).toHaveLength(15);
      expect(again.stderr.match(/found, trained before/g)).toHaveLength(3);
      expect(again.stdout).toContain('ChestMNIST');
    },
    TIME,
  );

  it(
    'trains an ordinal set in colour and a binary one of volumes',
    async () => {
      const sets = ['--sets', 'retinamnist,adrenalmnist3d', '--set', 'regimes=[st]'];
      const trained = await medformerJson(services.env, ...benchmark(...sets, '--allow-md5-mismatch'));

      expect(trained.sets.map(({ flag }: { flag: string }) => flag)).toEqual([
        'retinamnist',
        'adrenalmnist3d',
      ]);
      for (const { rows } of trained.sets) expect(rows[0].auc.mean).toBeGreaterThan(0);
    },
    TIME,
  );
});
