import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getRecord, openObjectStore } from '@medformer/object-store';
import { CheckpointRecord, Rng } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson, medformerProcess } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';
import { descendants, isAlive, reachesStep } from './harness/training.js';
import { until } from './harness/until.js';

const STEPS = 30;
/** Many processes start, one after the other: on a busy machine that is minutes. */
const TIMEOUT_MS = 600_000;
const MODEL =
  'model: { width: 48, depth: 2, heads: 3, latents: 8, mlpRatio: 2, patch2d: 4, patch3d: 4, frequencies: 4 }\n';

/** Everything that has to come back: momentum, moving average, gathered gradients, what methods draw on the host. */
const SPECS = {
  simclr: 'method: { name: simclr }\n',
  'mae-lars': 'method: { name: mae }\noptimiser: { name: lars }\nema: { decay: 0.9 }\n',
  'jigsaw-sgd':
    'method: { name: jigsaw, grid2d: [2, 2], permutations: 6 }\noptimiser: { name: sgd }\naccumulate: 3\nema: {}\n',
} as const;
type SpecName = keyof typeof SPECS;

describe('a killed run', () => {
  let folder: string;
  const unbroken = new Map<SpecName, { checkpoint: string; run: string; record: CheckpointRecord }>();
  const running: Services[] = [];
  const specFile = (name: SpecName) => join(folder, `${name}.yaml`);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-resume-'));
    await writeFile(join(folder, 'thirds.npz'), npz(medmnistMembers({ train: 48, val: 12, test: 24 })));
    const common = `dataset: thirds\nbatchSize: 24\nsteps: ${STEPS}\ncheckpointEvery: 5\n${MODEL}`;
    for (const name of Object.keys(SPECS) as SpecName[])
      await writeFile(specFile(name), common + SPECS[name]);
    const ingesting = await startStandalone(join(folder, 'ingested'));
    const argv = ['ingest', join(folder, 'thirds.npz'), '--name', 'thirds', '--modality', 'xray'];
    await medformerJson(ingesting.env, ...argv, '--body-part', 'chest');
    await ingesting.stop();

    const { env, stop } = await startWithData('unbroken');
    for (const name of Object.keys(SPECS) as SpecName[]) {
      const { checkpoint, run } = await medformerJson(env, 'train', specFile(name));
      unbroken.set(name, { checkpoint, run, record: await recordOf('unbroken', checkpoint) });
    }
    await stop();
  }, TIMEOUT_MS);

  afterAll(async () => {
    for (const services of running) await services.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Services on a copy of the ingested data: pseudonyms, and so a dataset's address, belong to an installation. */
  async function startWithData(name: string): Promise<Services> {
    await cp(join(folder, 'ingested'), join(folder, name), { recursive: true });
    return restart(name);
  }

  async function restart(name: string): Promise<Services> {
    const services = await startStandalone(join(folder, name));
    running.push(services);
    return services;
  }

  async function recordOf(data: string, checkpoint: string): Promise<CheckpointRecord> {
    const store = await openObjectStore({ url: pathToFileURL(join(folder, data, 'store')).href });
    return getRecord(store, CheckpointRecord, checkpoint, 'checkpoint');
  }

  /** To the last bit: every loss and norm of every step, then weights, optimiser and with them the whole record. */
  async function expectAsUnbroken(data: string, name: SpecName, checkpoint: string): Promise<void> {
    const { history, weights, optimiser } = await recordOf(data, checkpoint);
    const expected = unbroken.get(name)!;
    expect(history).toEqual(expected.record.history);
    expect({ weights, optimiser }).toEqual({
      weights: expected.record.weights,
      optimiser: expected.record.optimiser,
    });
    expect(checkpoint).toBe(expected.checkpoint);
  }

  it.each(['mae-lars', 'jigsaw-sgd'] as const)(
    'of which the training process dies again and again ends as the unbroken one to the last bit: %s',
    async (name) => {
      const services = await startWithData(`child-${name}`);
      const { env } = services;
      const { run } = unbroken.get(name)!;
      const rng = Rng.of('resume', name);
      let from = 0;
      for (let kill = 0; kill < 2; kill += 1) {
        const step = from + 1 + rng.integer(12);
        const training = medformerProcess(env, 'train', specFile(name));
        await until('the run', async () =>
          (await medformerJson(env, 'runs', 'ls')).find(
            (each: { state: string }) => each.state === 'running',
          ),
        );
        await reachesStep(env, run, step);
        for (const child of descendants(services.processes[0]!.pid!, 'training-process'))
          process.kill(child, 'SIGKILL');
        const ended = await training;
        expect(ended.exitCode).toBe(20);
        expect(ended.stderr).toMatch(/medformer: ABORTED: run [0-9a-f]{12} \w+ at step \d+ of 30/);
        from = step - (step % 5);
      }

      const resumed = await medformer(env, '--json', 'train', specFile(name));
      const ended = JSON.parse(resumed.stdout);
      expect(ended.run).toBe(run);
      await expectAsUnbroken(`child-${name}`, name, ended.checkpoint);
      expect(await medformerJson(env, 'runs', 'ls')).toHaveLength(1);
    },
    TIMEOUT_MS,
  );

  it(
    'of which all services die goes on after a restart, and nothing is left of the old processes',
    async () => {
      const { env, processes } = await startWithData('standalone');
      const training = medformerProcess(env, 'train', specFile('simclr'));
      const { run } = await medformerJson(env, 'train', '--detach', specFile('simclr'));
      await reachesStep(env, run, 12);
      const server = processes[0]!;
      const children = descendants(server.pid!);
      server.kill('SIGKILL');
      expect((await training).exitCode).toBe(24);
      await until('the children to end', () => (children.some(isAlive) ? undefined : true), 15_000);

      const again = await restart('standalone');
      const [interrupted] = await medformerJson(again.env, 'runs', 'ls');
      expect(interrupted).toMatchObject({ run: unbroken.get('simclr')!.run, state: 'interrupted' });
      expect(interrupted.step).toBeGreaterThanOrEqual(10);
      const { checkpoint } = await medformerJson(again.env, 'train', specFile('simclr'));
      await expectAsUnbroken('standalone', 'simclr', checkpoint);
      expect(await medformerJson(again.env, 'datasets', 'ls')).toHaveLength(1);
      expect(await medformerJson(again.env, 'runs', 'ls')).toHaveLength(1);
    },
    TIMEOUT_MS,
  );
});
