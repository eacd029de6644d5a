import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { ROOT, type Services, startStandalone } from './harness/services.js';

/** A binary set, an ordinal one in colour, one of several labels per image, and volumes. */
const SETS = ['pneumoniamnist', 'retinamnist', 'chestmnist', 'adrenalmnist3d'];
const MODEL = {
  width: 24,
  depth: 1,
  heads: 3,
  latents: 4,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 8,
  frequencies: 3,
};
const TIME = 900_000;

let folder: string;
let services: Services;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-tasks-'));
  const sets = join(ROOT, 'tools/medmnist/phantom-sets.mjs');
  const counts = ['--patients', '16', '--volume-patients', '8', '--sets', SETS.join()];
  await execa(process.execPath, [sets, join(folder, 'root'), ...counts]);
  services = await startStandalone(join(folder, 'data'));
  for (const set of SETS) {
    const file = join(folder, 'root', `${set}.npz`);
    await medformerJson(services.env, 'ingest', file, '--name', set, '--allow-md5-mismatch');
  }
}, TIME);

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true });
});

/** Trains by a spec of these keys. */
async function train(name: string, spec: object) {
  const file = join(folder, `${name}.yaml`);
  await writeFile(file, JSON.stringify({ model: MODEL, batchSize: 12, ...spec }));
  return medformerJson(services.env, 'train', file);
}

async function score(set: string, checkpoint: string) {
  const file = join(folder, `${set}-evaluate.yaml`);
  const entries = [{ label: 'MT', protocol: 'head', checkpoints: [checkpoint] }];
  const dimensions = [set.endsWith('3d') ? 3 : 2];
  await writeFile(file, JSON.stringify({ title: set, dataset: set, task: set, dimensions, entries }));
  return medformerJson(services.env, 'evaluate', file);
}

describe('medformer train with several tasks', () => {
  it(
    'trains one model on all sets, which scores each by its own head; a frozen one takes a task of volumes',
    async () => {
      const run = await train('all', {
        dataset: 'pneumoniamnist',
        datasets: ['retinamnist', 'chestmnist'],
        method: {
          name: 'multi-task',
          tasks: [
            { task: 'pneumoniamnist' },
            { task: 'retinamnist', ordinal: 'cumulative' },
            { task: 'chestmnist', weight: 0.5 },
          ],
        },
        accumulate: 2,
        steps: 6,
      });
      const before = new Map<string, unknown>();
      for (const set of SETS.slice(0, 3)) {
        const report = await score(set, run.checkpoint);
        expect(report.record.rows).toHaveLength(1);
        expect(report.record.rows[0].auc.mean).toBeGreaterThan(0);
        before.set(set, report.record.rows[0].auc);
      }

      const started = {
        dataset: 'adrenalmnist3d',
        method: { name: 'supervised', task: 'adrenalmnist3d' },
        steps: 4,
        initial: { checkpoint: run.checkpoint, freeze: ['*'], extend: true },
      };
      const extended = await train('extended', started);
      const told = await medformer(services.env, 'runs', 'show', extended.run);
      expect(told.stdout).toMatch(/[\d,]+ parameters trained, [\d,]+ frozen/);
      expect((await score('adrenalmnist3d', extended.checkpoint)).record.rows[0].auc.mean).toBeGreaterThan(0);
      // What it could do, it does as before.
      for (const set of SETS.slice(0, 3))
        expect((await score(set, extended.checkpoint)).record.rows[0].auc).toEqual(before.get(set));
    },
    TIME,
  );

  it('names a data set that is not there, and a task that no data set has', async () => {
    const spec = {
      dataset: 'pneumoniamnist',
      method: { name: 'multi-task', tasks: [{ task: 'lesion' }] },
      steps: 1,
    };
    await expect(train('unknown', { ...spec, datasets: ['nowhere'] })).rejects.toThrow(
      /dataset nowhere: not in the store/,
    );
    await expect(train('none', { ...spec, datasets: ['retinamnist'] })).rejects.toThrow(
      /method\.tasks\.0\.task: datasets pneumoniamnist, retinamnist have no task lesion; they have: pneumoniamnist, retinamnist/,
    );
  });
});
