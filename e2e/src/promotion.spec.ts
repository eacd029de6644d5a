import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rng } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { medformer, medformerJson } from './harness/medformer.js';
import { CLASSES, medmnistMembers, type NpzMembers, npy, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';

describe('an encoder that serves only what a gate promoted', () => {
  let folder: string;
  let services: Services;
  let env: Record<string, string>;
  let gate: string;
  let checkpoints: string[];
  const served = async () => (await medformerJson(env, 'models', 'ls'))[0]?.model.lineage.checkpoint;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-promotion-'));
    services = await startStandalone(join(folder, 'data'), { 'encoder-promoted-only': 'true' });
    env = services.env;
    const archive = join(folder, 'thirds.npz');
    await writeFile(archive, npz(medmnistMembers()));
    await medformerJson(
      env,
      'ingest',
      archive,
      '--name',
      'thirds',
      '--modality',
      'xray',
      '--body-part',
      'chest',
    );
    const coins = join(folder, 'coins.npz');
    await writeFile(coins, npz(coinsOf({ train: 48, val: 12, test: 24 })));
    await medformerJson(
      env,
      'ingest',
      coins,
      '--name',
      'coins',
      '--modality',
      'xray',
      '--body-part',
      'chest',
    );
    const { record } = await medformerJson(env, 'datasets', 'show', 'thirds');
    const { task } = record.labelSpaces[0];
    gate = join(folder, 'gate.yaml');
    await writeFile(gate, stringify({ dataset: 'thirds', task, seeds: [0], minimum: 0.5, margin: 0.5 }));
    const spec = join(folder, 'run.yaml');
    const run = {
      dataset: 'thirds',
      method: { name: 'simclr' },
      batchSize: 16,
      steps: 4,
      checkpointEvery: 2,
    };
    await writeFile(spec, stringify({ ...run, keep: { every: 2 } }));
    const trained = await medformerJson(env, 'train', spec);
    checkpoints = [`run=${trained.run}@2`, trained.checkpoint];
  });

  afterAll(async () => {
    await services?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('takes no checkpoint that no gate saw', async () => {
    const { code, stderr } = await medformer(env, 'serve', checkpoints[1]!);
    expect({ code, stderr }).toMatchObject({
      code: 19,
      stderr: expect.stringContaining('no gate promoted it'),
    });
    expect(await medformerJson(env, 'models', 'ls')).toEqual([]);
  });

  it('refuses one below the minimum, with the reason, and keeps the decision', async () => {
    // Labels by the toss of a coin: there is nothing to learn.
    const coins = await medformerJson(env, 'datasets', 'show', 'coins');
    const { task } = coins.record.labelSpaces[0];
    const sets = ['dataset=coins', `task=${task}`, 'minimum=0.95'].flatMap((set) => ['--set', set]);
    const argv = ['--gate', gate, ...sets];
    const { code, stderr } = await medformer(env, 'promote', checkpoints[1]!, ...argv);
    expect(code).toBe(19);
    expect(stderr).toMatch(/refused: auc on test images is 0\.\d+, below the minimum of 0\.9500/);
    expect(await medformerJson(env, 'promotions')).toMatchObject([{ record: { promoted: false } }]);
  });

  it('serves what passes, then the next over it, and no other than by a gate', async () => {
    const first = await medformerJson(env, 'promote', checkpoints[0]!, '--gate', gate);
    expect(first.record.promoted).toBe(true);
    expect(await served()).toBe(first.record.candidate);

    const second = await medformerJson(env, 'promote', checkpoints[1]!, '--gate', gate);
    expect(second.record).toMatchObject({ served: first.record.candidate, promoted: true });
    expect(second.record.interval.low).toBeLessThanOrEqual(second.record.difference);
    expect(await served()).toBe(checkpoints[1]);

    // What was promoted over nothing is not promoted over what answers now; but what answered before may again.
    expect((await medformer(env, 'serve', first.record.candidate)).code).toBe(19);
    await medformerJson(env, 'models', 'rollback');
    expect(await served()).toBe(first.record.candidate);
  });
});

function coinsOf(counts: { train: number; val: number; test: number }): NpzMembers {
  const random = Rng.of(0, 'coins');
  const members = medmnistMembers(counts);
  for (const [split, images] of Object.entries(counts)) {
    const labels = Uint8Array.from({ length: images }, () => random.integer(CLASSES));
    members[`${split}_labels`] = npy('|u1', [images, 1], labels);
  }
  return members;
}
