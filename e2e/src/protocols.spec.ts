import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { type Services, startStandalone } from './harness/services.js';

const MODEL =
  '{width: 24, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 8, frequencies: 3}';
const set = (...settings: string[]) => settings.flatMap((setting) => ['--set', setting]);
const COHORT = ['--dataset', 'phantom', '--task', 'region', '--seeds', '0,1'];
const FEW_LABEL = set(`fineTune={model: ${MODEL}, batchSize: 8, steps: 4}`, 'intervals={resamples: 100}');
const TIME = 900_000;

interface Row {
  label: string;
  protocol: string;
  checkpoints: string[];
  auc: { mean: number; values: number[] };
  intervals?: { auc?: { low: number; high: number } };
}

let folder: string;
let services: Services;
/** Pretrained on CT alone. */
let checkpoint: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-protocols-'));
  services = await startStandalone(folder);
  await medformerJson(
    services.env,
    'ingest',
    'phantom',
    '--name',
    'phantom',
    '--patients',
    '12',
    '--seed',
    '3',
  );
}, TIME);

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true });
});

describe('medformer benchmark transfer', () => {
  it(
    'pretrains on each modality alone and scores every one, by its own labels and by those of the pretraining',
    async () => {
      const command = [
        ...['benchmark', 'transfer', ...COHORT, '--modalities', 'ct,mri'],
        ...set(`pretrain={method: {name: simclr}, model: ${MODEL}, batchSize: 8, steps: 2}`),
        ...set('together=false', 'labelFraction=0.5', 'intervals={resamples: 100}'),
      ];
      const results = await medformerJson(services.env, ...command);
      const again = await medformer(services.env, ...command);

      expect(results.map(({ tested }: { tested: string }) => tested)).toEqual(['ct', 'mri']);
      const [ct, mri] = results.map(({ record }: { record: { rows: Row[] } }) => record.rows);
      expect(mri.map(({ label, protocol }: Row) => `${label}: ${protocol}`)).toEqual([
        'ct: linear-probe',
        'ct, its labels: linear-probe',
        'mri: linear-probe',
        'ct: knn',
        'ct, its labels: knn',
        'mri: knn',
      ]);
      for (const { auc } of [...ct, ...mri]) expect(auc.values).toHaveLength(2);
      // One run per modality, whatever it is tested on.
      expect(new Set([...ct, ...mri].flatMap(({ checkpoints }: Row) => checkpoints)).size).toBe(2);
      expect(again.stderr.match(/found, trained before/g)).toHaveLength(2);
      expect(again.stdout).toMatch(
        /linear-probe\s+│ ct\s+│ ct\s+│\s+│ \d+\.\d ± \d+\.\d \(\d+\.\d to \d+\.\d\)/,
      );
      [checkpoint] = ct[0].checkpoints;
    },
    TIME,
  );
});

describe('medformer benchmark few-label', () => {
  it(
    'judges a checkpoint by a share of the labels: frozen, fine-tuned, and against training from scratch',
    async () => {
      const command = ['benchmark', 'few-label', ...COHORT, '--checkpoint', `CT=${checkpoint}`, ...FEW_LABEL];
      const { record } = await medformerJson(services.env, ...command, '--percents', '20');

      expect(record.rows.map(({ label, protocol }: Row) => `${label}: ${protocol}`)).toEqual([
        'CT, 20 %: linear-probe',
        'CT, 20 %: knn',
        'CT, 20 %: head',
        'From scratch, 20 %: head',
      ]);
      for (const { auc, intervals } of record.rows as Row[]) {
        expect(auc.values).toHaveLength(2);
        expect(intervals!.auc!.low).toBeLessThanOrEqual(intervals!.auc!.high);
      }
      expect(record.tests.length).toBeGreaterThan(0);
    },
    TIME,
  );

  it(
    'shows frozen weights by every share, once where nothing is drawn',
    async () => {
      const frozen = set('fromScratch=false', 'protocols=[knn]');
      const command = ['benchmark', 'few-label', ...COHORT, '--checkpoint', `CT=${checkpoint}`, ...frozen];
      const { stdout } = await medformer(services.env, ...command, '--percents', '10,100');

      expect(stdout).toMatch(/│ weights │ protocol │ 10 %\s+│ 100 %/);
      expect(stdout).toMatch(/│ CT\s+│ knn\s+│ \d+\.\d ± \d+\.\d \([^│]+│ \d+\.\d \(/);
    },
    TIME,
  );
});
