import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rng } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../src/harness/chart.js';
import { medformer, medformerJson, medformerProcess } from '../src/harness/medformer.js';
import { medmnistMembers, npz } from '../src/harness/npz.js';
import { startStandalone } from '../src/harness/services.js';
import { until } from '../src/harness/until.js';
import { inNodeNamespaces, RealNode } from './harness/real-node.js';
import { CODE_VERSION, Release } from './harness/release.js';
import { MODEL } from './harness/trainer-installation.js';

const SHORT = { dataset: 'thirds', method: { name: 'simclr' }, batchSize: 16, steps: 2 };
const LONG = {
  dataset: 'many',
  method: { name: 'simclr', projection: [16, 8] },
  model: MODEL,
  batchSize: 8,
  steps: 1500,
  checkpointEvery: 100,
};

/** Helm installs the chart with the images of this checkout on a kubelet; `make e2e-real-node` starts this. */
describe.runIf(inNodeNamespaces)('a release on a real node', () => {
  const random = Rng.of(0, 'when to kill');
  let node: RealNode;
  let release: Release;
  let checkpoint: string;

  beforeAll(async () => {
    node = await RealNode.start();
    release = await Release.prepare(node);
    await writeFile(file('thirds.npz'), npz(medmnistMembers()));
    await writeFile(file('many.npz'), npz(medmnistMembers({ train: 3000, val: 12, test: 24 })));
    await writeFile(file('short.yaml'), JSON.stringify(SHORT));
    await writeFile(file('long.yaml'), JSON.stringify(LONG));
  });
  afterAll(async () => {
    await node?.stop();
  });

  const file = (name: string) => join(node.cluster.folder, name);
  const ingest = (name: string) => [
    ...['ingest', file(`${name}.npz`), '--name', name],
    ...['--modality', 'xray', '--body-part', 'chest'],
  ];
  const someTime = (mostMs: number) => sleep(mostMs * random.uniform());

  it('becomes ready with mTLS under Pod Security restricted, every stage and the bundled object store', async () => {
    await release.install();
    const pods = await release.pods();
    expect(pods.map(({ spec }) => spec.nodeName)).toEqual(pods.map(() => node.name));
    expect(pods.every(({ status }) => status.podIP.startsWith('10.244.0.'))).toBe(true);
    expect((await medformer(release.withoutCertificate, 'datasets', 'ls')).code).not.toBe(0);
  });

  it('takes images through ingestion, a training Job, evaluation and encoding by its Services', async () => {
    await medformerJson(release.env, ...ingest('thirds'));
    const trained = await medformerJson(release.env, 'train', file('short.yaml'));
    checkpoint = trained.checkpoint;
    expect((await release.endedJob(trained.run)).status.succeeded).toBe(1);
    const { record } = await medformerJson(release.env, 'datasets', 'show', 'thirds');
    const scores = await medformerJson(
      release.env,
      ...['evaluate', '--dataset', 'thirds', '--task', record.labelSpaces[0].task, '--seeds', '0'],
      ...['--labels-per-class', '5', '--entry', `SimCLR:linear-probe:${checkpoint}`],
    );
    expect(scores.record.testImages).toBe(24);
    expect(await medformerJson(release.env, 'serve', checkpoint)).toMatchObject({ step: 2 });
  });

  it('passes `helm test`', async () => {
    expect(await release.test()).toMatch(/Phase:\s+Succeeded/);
  });

  it('answers every call while an upgrade and a rollback replace its pods', async () => {
    const twoEncoders = { replicas: 2, settings: { encoderCheckpoint: checkpoint } };
    const traffic = release.traffic();
    const before = await release.pods('encoder');
    await release.upgrade({ encoder: twoEncoders });
    await release.upgrade({
      encoder: { ...twoEncoders, settings: { ...twoEncoders.settings, encoderMaxBatch: 4 } },
    });
    const upgraded = await release.pods('encoder');
    await release.rollback();
    const { calls, failures, checkpoints } = await traffic.stop();

    console.log(`${calls} calls over two upgrades and a rollback, ${failures.length} failed`);
    expect(failures).toEqual([]);
    expect([...checkpoints]).toEqual([checkpoint]);
    expect(names(upgraded).filter((name) => names(before).includes(name))).toEqual([]);
    expect(await release.test()).toMatch(/Phase:\s+Succeeded/);
  });

  it('answers every call while its encoders are lost one after the other', async () => {
    const traffic = release.traffic();
    for (let losses = 0; losses < 4; losses += 1) {
      const pods = await release.pods('encoder');
      const pod = pods[losses % pods.length];
      if (losses % 2) await release.lose(pod);
      else await node.killContainer(pod);
      await someTime(2000);
      await release.ready('encoder');
    }
    const { calls, failures } = await traffic.stop();
    console.log(`${calls} calls while four encoders were killed, ${failures.length} failed`);
    expect(failures).toEqual([]);
  });

  it('makes the undisturbed dataset and checkpoint although pods are killed at random', async () => {
    const undisturbed = await withoutKills();
    let [kills, whileIngesting, interrupted] = [0, 0, 0];
    for (;;) {
      const ingesting = medformerProcess(release.env, '--json', ...ingest('many'));
      const after = kills;
      if (kills < 3) {
        await sleep(500);
        await someTime(1500);
        whileIngesting += ingesting.exitCode === null ? 1 : 0;
        await kill(['ingestion', 'object-store'][kills % 2]!, kills !== 0);
        kills += 1;
      }
      const { exitCode, stdout } = await ingesting;
      await release.ready('ingestion', 'object-store');
      if (exitCode === 0 && after === kills) {
        const { record } = await medformerJson(release.env, 'datasets', 'show', 'many');
        expect(record).toEqual(undisturbed.record);
        expect(JSON.parse(stdout).manifest).toBe(undisturbed.manifest);
        break;
      }
      interrupted += exitCode === 0 ? 0 : 1;
    }

    const { run } = await medformerJson(release.env, 'train', file('long.yaml'), '--detach');
    const killed: string[] = [];
    const targets = ['trainer-job', 'trainer', 'object-store', 'trainer-job', 'trainer-job'];
    for (const [at, target] of targets.entries()) {
      await someTime(8000);
      if (await release.isJobOver(run)) break;
      if (await kill(target, target === 'object-store' || at % 2 === 1)) killed.push(target);
    }
    expect((await release.endedJob(run)).status.succeeded).toBe(1);
    await release.ready('trainer', 'object-store');
    const trained = await medformerJson(release.env, 'train', file('long.yaml'));
    console.log(
      `${kills} kills, ${whileIngesting} of them while ingesting, ${interrupted} commands failed; training: killed ${killed}`,
    );
    expect(whileIngesting).toBeGreaterThan(0);
    expect(trained).toMatchObject({ run: undisturbed.run, checkpoint: undisturbed.checkpoint });
    expect(killed.length).toBeGreaterThan(1);
  }, 600_000);

  it('keeps pods from each other but for the pairs that its policies name, TensorFlow’s port included', async () => {
    const argv = ['train', file('long.yaml'), '--set', 'steps=100000', '--set', 'workers=2', '--detach'];
    const { run } = await medformerJson(release.env, ...argv);
    const trainers = await until(
      'two training pods',
      async () => {
        const pods = (await release.pods('trainer-job')).filter(({ status }) => status.phase === 'Running');
        return pods.length === 2 ? pods : undefined;
      },
      120_000,
    );
    await until(
      'their first steps',
      async () => {
        const runs: Manifest[] = await medformerJson(release.env, 'runs', 'ls');
        return runs.some((each) => each.run === run && each.step > 0) || undefined;
      },
      200_000,
    );
    const [{ metadata, status }] = trainers;
    const ofTheJob = metadata.labels as Record<string, string>;
    const ofAnotherJob = { ...ofTheJob, 'batch.kubernetes.io/job-name': 'run-other' };
    const stranger = await release.bystander('stranger');
    const client = await release.bystander('client', { 'medformer.io/client': 'true' });
    const other = await release.bystander('other-job', withoutController(ofAnotherJob));
    const peer = await release.bystander('peer', withoutController(ofTheJob));
    const [encoder, store] = ['release-medformer-encoder', 'release-medformer-minio'];

    expect({
      'client to gRPC': await client.reaches(encoder, 50050),
      'stranger to gRPC': await stranger.reaches(encoder, 50050),
      'client to the object store': await client.reaches(store, 9000),
      'job to the object store': await other.reaches(store, 9000),
      'job to gRPC': await other.reaches(encoder, 50050),
      'peer to the collective port': await peer.reaches(status.podIP, 2222),
      'another job to the collective port': await other.reaches(status.podIP, 2222),
      'client to the collective port': await client.reaches(status.podIP, 2222),
      'stranger to the collective port': await stranger.reaches(status.podIP, 2222),
    }).toEqual({
      'client to gRPC': true,
      'stranger to gRPC': false,
      'client to the object store': false,
      'job to the object store': true,
      'job to gRPC': false,
      'peer to the collective port': true,
      'another job to the collective port': false,
      'client to the collective port': false,
      'stranger to the collective port': false,
    });
    await medformerJson(release.env, 'runs', 'cancel', run);
  });

  it('leaves nothing but the pseudonyms’ key and ended jobs when it is uninstalled', async () => {
    await release.uninstall();
    const jobs = names(await release.list('jobs'));
    const kinds = ['deployments', 'statefulsets', 'services', 'configmaps'];
    const left = await Promise.all([...kinds.map((kind) => release.list(kind)), release.ownSecrets()]);
    expect(names(left.flat())).toEqual(['kube-root-ca.crt', 'release-medformer-pseudonym-key']);
    for (const { metadata } of await release.list('networkpolicies'))
      expect(jobs).toContain(metadata.ownerReferences[0].name);

    // As their time to live does.
    await release.deleteJobs();
    await until('the jobs’ policies to go with them', async () =>
      (await release.list('networkpolicies')).length ? undefined : true,
    );
  });

  /** The same files, spec and pseudonyms by one process on a folder. */
  async function withoutKills() {
    process.env.MEDFORMER_CODE_VERSION = CODE_VERSION;
    const { env, stop } = await startStandalone(file('undisturbed'), {
      'trainer-threads': '1',
      'pseudonym-key': await release.pseudonymKey(),
    });
    const { manifest } = await medformerJson(env, ...ingest('many'));
    const { record } = await medformerJson(env, 'datasets', 'show', 'many');
    const { run, checkpoint } = await medformerJson(env, 'train', file('long.yaml'));
    await stop();
    return { manifest, record, run, checkpoint };
  }

  /** A pod of the component: its container past the kubelet, or the whole pod as with its node. False where there is none. */
  async function kill(component: string, containerOnly: boolean): Promise<boolean> {
    const pods = await release.pods(component);
    const pod = pods.find(({ status }) => status.phase === 'Running');
    if (!pod) return false;
    await (containerOnly ? node.killContainer(pod) : release.lose(pod));
    return true;
  }
});

const names = (manifests: readonly Manifest[]): string[] => manifests.map(({ metadata }) => metadata.name);

/** Labels by which the job's controller would take a pod for its own. */
const withoutController = (labels: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).filter(([name]) => !name.endsWith('controller-uid')));
