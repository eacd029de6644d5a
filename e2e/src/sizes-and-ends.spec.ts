import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { type Services, startStandalone } from './harness/services.js';

const COHORT = ['--seed', '5', '--patients', '24'];
const MODEL = {
  width: 24,
  depth: 1,
  heads: 3,
  latents: 8,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 4,
};
const TIME = 900_000;
/** Of accuracy, at 60 test images of ten classes. */
const MARGIN = 0.12;

let folder: string;
let services: Services;
let images: { run: string; checkpoint: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-sizes-'));
  services = await startStandalone(join(folder, 'data'));
  const volumes = ['--volume-patients', '16', '--volume-shape', '16x16x16'];
  await ingest('native', '--image-shape', '28x28', ...volumes);
  await ingest('smaller', '--image-shape', '20x20');
  await ingest('larger', '--image-shape', '96x96');
  await ingest('oblong', ...volumes.slice(0, 2), '--volume-shape', '24x16x12');
  images = await train('images', {
    method: { name: 'supervised', task: 'region' },
    dimensions: [2],
    batchSize: 32,
    steps: 120,
  });
}, TIME);

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true });
});

function ingest(name: string, ...shapes: string[]) {
  return medformerJson(services.env, 'ingest', 'phantom', '--name', name, ...COHORT, ...shapes);
}

async function train(name: string, spec: object) {
  const file = join(folder, `${name}.yaml`);
  await writeFile(file, JSON.stringify({ dataset: 'native', model: MODEL, ...spec }));
  return medformerJson(services.env, 'train', file);
}

async function accuracy(dataset: string, protocol: string, checkpoint: string, ...more: string[]) {
  const flags = ['--task', 'region', '--seeds', '0', '--entry', `A:${protocol}:${checkpoint}`];
  const { record } = await medformerJson(services.env, 'evaluate', '--dataset', dataset, ...flags, ...more);
  return record.rows[0].accuracy.mean as number;
}

describe('a size that no training saw', () => {
  it(
    'costs kNN little, by training images of the usual size and of its own',
    async () => {
      const usual = await accuracy('native', 'knn', images.checkpoint);
      expect(usual).toBeGreaterThan(0.3);
      for (const unseen of ['smaller', 'larger']) {
        expect(await accuracy(unseen, 'knn', images.checkpoint)).toBeGreaterThan(usual - MARGIN);
        const across = await accuracy(unseen, 'knn', images.checkpoint, '--train-dataset', 'native');
        expect(across).toBeGreaterThan(usual - MARGIN);
      }
    },
    TIME,
  );
});

describe('a checkpoint that saw images only', () => {
  it(
    'takes a task of volumes by training the ends, keeps what it could, and reads volumes of unseen edges',
    async () => {
      const ends = await train('ends', {
        method: { name: 'supervised', task: 'region' },
        dimensions: [3],
        batchSize: 16,
        steps: 200,
        optimiser: { learningRate: 3e-3 },
        initial: { checkpoint: images.checkpoint, freeze: ['*'], extend: true },
      });
      const told = await medformer(services.env, 'runs', 'show', ends.run);
      expect(told.stdout).toMatch(/[\d,]+ parameters trained, [\d,]+ frozen/);

      // Chance is 0.1.
      const volumes = ['--dimensions', '3'];
      const native = await accuracy('native', 'head', ends.checkpoint, ...volumes);
      expect(native).toBeGreaterThan(0.25);
      expect(await accuracy('oblong', 'head', ends.checkpoint, ...volumes)).toBeGreaterThan(
        native - 2 * MARGIN,
      );
      expect(await accuracy('native', 'knn', ends.checkpoint)).toBe(
        await accuracy('native', 'knn', images.checkpoint),
      );
    },
    TIME,
  );
});
