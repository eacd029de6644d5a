import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson, medformerProcess } from './harness/medformer.js';
import { makeSets, smallBenchmark } from './harness/medmnist.js';
import { type Services, startStandalone } from './harness/services.js';
import { reachesStep } from './harness/training.js';
import { until } from './harness/until.js';

const SETS = ['chestmnist', 'retinamnist', 'adrenalmnist3d'];
const TWO_AT_ONCE = { 'trainer-concurrency': '2', 'trainer-threads': '1' };
/** Every run starts a process that builds its step anew. */
const TIME = 900_000;

let folder: string;
let services: Services;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-medmnist-'));
  await makeSets(folder, SETS);
  services = await startStandalone(join(folder, 'data'), TWO_AT_ONCE);
}, 120_000);

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true });
});

const benchmark = (...more: string[]) => smallBenchmark(folder, ...more);

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
    'trains an ordinal set in colour and a binary one of volumes side by side, alone and together; interrupted and killed it goes on, and trains nothing twice',
    async () => {
      const chosen = ['--sets', 'retinamnist,adrenalmnist3d', '--set', 'regimes=[st, mt, ssl-mt]'];
      const command = benchmark(...chosen, '--allow-md5-mismatch');
      const before = new Set((await runs()).map(({ run }) => run));
      const stepsBefore = await trainedSteps();
      const ours = async () => (await runs()).filter(({ run }) => !before.has(run));

      const first = medformerProcess(services.env, ...command);
      const together = async () => {
        const running = (await ours()).filter(({ state }) => state === 'running');
        return running.length === 2 ? running.find(({ method }) => method === 'multi-task') : undefined;
      };
      const { run } = await until('two runs at once, one of them on both sets', together, TIME);
      await reachesStep(services.env, run, 35);
      first.kill('SIGINT');
      expect((await first).exitCode).toBe(130);
      // They end with their present step, all of them.
      const left = await until(
        'what ran to stop',
        async () => {
          const states = new Map((await ours()).map((each) => [each.run, each.state]));
          return [...states.values()].includes('running') ? undefined : states;
        },
        TIME,
      );
      expect(left.get(run)).toBe('cancelled');
      expect([...left.values()]).not.toContain('queued');

      const second = medformerProcess(services.env, ...command);
      const goesOn = async () => (await ours()).some(({ state }) => state === 'running') || undefined;
      await until('a run to go on', goesOn, TIME);
      second.kill('SIGKILL');
      await second;
      const gone = await medformer(services.env, '--json', ...command);

      expect(gone.stderr).toMatch(/ST, seed 0: st \S+ 4 steps \(found, trained before\)/);
      expect(gone.stderr).toMatch(/ MT, seed 0: mt [0-9a-f]{12}: 60 steps/);
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
      // Each set's own, and one run on both sets without labels and two with them, though three commands asked.
      expect((await ours()).map(({ state }) => state)).toEqual(new Array(5).fill('succeeded'));
      expect((await trainedSteps()) - stepsBefore).toBe(4 + 4 + 60 + 2 + 60);
      // One after the other asks for the same runs and tests.
      expect((await medformerJson(services.env, ...command, '--parallel', '1')).sets).toEqual(sets);
    },
    TIME,
  );

  it(
    'names a run that cannot be trained, shows the gap, and scores the rest',
    async () => {
      const chosen = ['--sets', 'retinamnist,adrenalmnist3d', '--set', 'regimes=[st, mt]'];
      const broken = ['--set', 'sets.retinamnist.phases.st.monitor={task: nothing, every: 1}'];
      const ended = await medformer(
        services.env,
        '--json',
        ...benchmark(...chosen, ...broken, '--allow-md5-mismatch'),
      );

      expect(ended.code).toBe(13);
      const [retina, adrenal] = JSON.parse(ended.stdout).sets;
      expect(retina.rows.map(({ label }: { label: string }) => label)).toEqual(['MT']);
      expect(adrenal.rows.map(({ label }: { label: string }) => label)).toEqual(['ST', 'MT']);
      const { error } = JSON.parse(ended.stderr.split('\n').at(-1)!);
      expect(error.message).toMatch(/^1 failed, .*RetinaMNIST: ST, seed 0: .*nothing/);
    },
    TIME,
  );
});

const runs = (): Promise<Run[]> => medformerJson(services.env, 'runs', 'ls');

async function trainedSteps(): Promise<number> {
  const text = await (await fetch(`${services.metricsUrls[0]}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('medformer_trainer_steps_total'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

interface Run {
  run: string;
  method: string;
  state: string;
}

interface Result {
  rows: { label: string; auc: { mean: number }; checkpoints: string[] }[];
  picked: Record<string, { step: number }[]>;
}
