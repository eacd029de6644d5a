import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getRecord, openObjectStore } from '@medformer/object-store';
import { CheckpointRecord } from '@medformer/schema';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';

const SPEC = `dataset: thirds
method: { name: barlow-twins, projection: [32, 16] }
batchSize: 16
steps: 12
optimiser: { name: sgd, learningRate: 0.01, warmupSteps: 0 }
`;

const folders: string[] = [];
const started: Services[] = [];

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'medformer-parallel-'));
  folders.push(folder, `${folder}-shared`);
  started.push(await startStandalone(join(folder, 'data')));
  const archive = join(folder, 'thirds.npz');
  await writeFile(archive, npz(medmnistMembers()));
  await writeFile(join(folder, 'barlow.yaml'), SPEC);
  const named = ['--name', 'thirds', '--modality', 'xray', '--body-part', 'chest'];
  await medformerJson(started[0]!.env, 'ingest', archive, ...named);
  // The same data set, where nothing has trained yet.
  await cp(folder, folders[1]!, { recursive: true });
  started.push(await startStandalone(join(folders[1]!, 'data')));
});

afterAll(async () => {
  await Promise.all(started.map((services) => services.stop()));
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

it('trains a run in two processes that share each batch, and it is the run of one', async () => {
  const [alone, shared] = await Promise.all([trained(0, []), trained(1, ['--set', 'workers=2'])]);

  expect(shared.run).toBe(alone.run);
  expect(shared.record.runtime).toMatchObject({ workers: 2 });
  expect(shared.record.history.length).toBe(12);
  for (const [at, { loss, gradientNorm }] of shared.record.history.entries()) {
    const wanted = alone.record.history[at]!;
    expect(Math.abs(loss / wanted.loss - 1)).toBeLessThan(1e-4);
    expect(Math.abs(gradientNorm / wanted.gradientNorm - 1)).toBeLessThan(1e-3);
  }
});

it('refuses a run of no process', async () => {
  const refused = await medformer(
    started[0]!.env,
    'train',
    join(folders[0]!, 'barlow.yaml'),
    '--set',
    'workers=0',
  );

  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('workers');
});

async function trained(at: number, set: string[]) {
  const { run, checkpoint } = await medformerJson(
    started[at]!.env,
    'train',
    join(folders[at]!, 'barlow.yaml'),
    ...set,
  );
  const store = await openObjectStore({ url: pathToFileURL(join(folders[at]!, 'data/store')).href });
  return { run, record: await getRecord(store, CheckpointRecord, checkpoint, 'checkpoint') };
}
