import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issue, makeAuthority } from '@medformer/object-store/testing/certificates';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { find, type Manifest, NAMESPACE, RELEASE, render } from './harness/chart.js';
import { medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { startPod } from './harness/pods.js';
import { freePort, STAGES } from './harness/services.js';
import { until } from './harness/until.js';

type Process = Awaited<ReturnType<typeof startPod>>['process'];

/** A release with its own object store and mTLS, whose pods run as processes: what the chart tells the services is true. */
describe('the pods of a release', () => {
  const processes = new Map<string, Process>();
  const metricsPorts: Record<string, number> = {};
  let folder: string;
  let manifests: Manifest[];
  let around: Parameters<typeof startPod>[2];
  let env: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-pods-'));
    const [storePort, stages] = [await freePort(), {} as Record<string, object>];
    const network: Record<string, string> = {
      [`${RELEASE}-medformer-minio:9000`]: `127.0.0.1:${storePort}`,
      '--address :9000': `--address 127.0.0.1:${storePort}`,
    };
    env = {};
    for (const stage of STAGES) {
      const ports = { grpc: await freePort(), metrics: await freePort() };
      metricsPorts[stage] = ports.metrics;
      stages[stage] = { ports };
      network[`${RELEASE}-medformer-${stage}:${ports.grpc}`] = `localhost:${ports.grpc}`;
      env[`MEDFORMER_${stage.toUpperCase()}_ADDRESS`] = `localhost:${ports.grpc}`;
    }
    manifests = await render({
      ...stages,
      minio: { enabled: true, persistence: { enabled: false } },
      tls: { source: 'secret', existingSecret: 'server', clientSecret: 'client' },
    });
    const authority = await makeAuthority();
    for (const name of ['server', 'client']) {
      const { key, cert } = await issue(authority, 'localhost');
      const data = { 'tls.key': key, 'tls.crt': cert, 'ca.crt': authority.cert };
      manifests.push(secret(name, data));
      for (const [file, text] of Object.entries(data)) await writeFile(join(folder, `${name}-${file}`), text);
    }
    env.MEDFORMER_TLS_CA_FILE = join(folder, 'client-ca.crt');
    env.MEDFORMER_TLS_CERT_FILE = join(folder, 'client-tls.crt');
    env.MEDFORMER_TLS_KEY_FILE = join(folder, 'client-tls.key');
    around = { folder, manifests, network };
    const store = find(manifests, 'StatefulSet', 'minio').spec.template.spec;
    await start('minio', store, { s3: storePort });
    await Promise.all(
      STAGES.map((stage) => {
        const { spec } = find(manifests, 'Deployment', stage).spec.template;
        return start(stage, spec, { metrics: metricsPorts[stage]! });
      }),
    );
  });

  afterAll(async () => {
    for (const process of processes.values()) process.kill('SIGKILL');
    await Promise.all(processes.values());
    await rm(folder, { recursive: true, force: true });
  });

  it('become ready with the settings, the secrets and the probes of the chart', async () => {
    const doctor = await medformerJson(env, 'doctor');
    expect(Object.values<{ health: string }>(doctor.services).map(({ health }) => health)).toEqual(
      STAGES.map(() => 'SERVING'),
    );
  });

  it('take a model from images to the encoder, through the object store of the release', async () => {
    const archive = join(folder, 'thirds.npz');
    await writeFile(archive, npz(medmnistMembers()));
    const names = ['--name', 'thirds', '--modality', 'xray', '--body-part', 'chest'];
    await medformerJson(env, 'ingest', archive, ...names);
    const spec = join(folder, 'simclr.yaml');
    await writeFile(spec, 'dataset: thirds\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 2\n');
    const { checkpoint } = await medformerJson(env, 'train', spec);
    expect(await medformerJson(env, 'serve', checkpoint)).toMatchObject({ step: 2 });
  });

  it('answer the pod of `helm test`, which fails without its certificate', async () => {
    const pod = find(manifests, 'Pod', 'test-encode').spec;
    const ended = await (await startPod('test', pod, around)).process;
    expect(ended.stderr).toBe('');
    expect(ended.exitCode).toBe(0);
    expect(JSON.parse(ended.stdout).embedding.length).toBeGreaterThan(10);
    const stranger = structuredClone(pod);
    stranger.containers[0].env = stranger.containers[0].env.filter(
      ({ name }: Manifest) => !/TLS_(CERT|KEY)/.test(name),
    );
    const refused = await (await startPod('stranger', stranger, around)).process;
    expect(refused.exitCode).not.toBe(0);
  });

  it('end on SIGTERM within the time that they are given', async () => {
    for (const stage of STAGES) {
      const graceMs =
        find(manifests, 'Deployment', stage).spec.template.spec.terminationGracePeriodSeconds * 1000;
      const process = processes.get(stage)!;
      process.kill('SIGTERM');
      const cutOff = setTimeout(() => process.kill('SIGKILL'), graceMs);
      const { exitCode } = await process;
      clearTimeout(cutOff);
      expect([stage, exitCode]).toEqual([stage, 0]);
    }
  });

  /** Resolves when the pod's startup and readiness probes answer as the kubelet wants. */
  async function start(name: string, pod: Manifest, ports: Record<string, number>): Promise<void> {
    const { process } = await startPod(name, pod, around);
    processes.set(name, process);
    for (const probe of ['startupProbe', 'readinessProbe']) {
      const { path, port } = pod.containers[0][probe].httpGet;
      await until(`${probe} of ${name}`, async () => {
        if (process.exitCode !== null) throw new Error(`${name} ended: ${(await process).stderr}`);
        const answer = await fetch(`http://127.0.0.1:${ports[port]}${path}`).catch(() => undefined);
        return answer?.ok || undefined;
      });
    }
  }
});

function secret(name: string, data: Record<string, string>): Manifest {
  const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: NAMESPACE },
    data: Object.fromEntries(encoded),
  };
}
