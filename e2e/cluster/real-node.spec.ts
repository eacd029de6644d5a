import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHART, NAMESPACE, RELEASE } from '../src/harness/chart.js';
import { medformer, medformerJson } from '../src/harness/medformer.js';
import { medmnistMembers, npz } from '../src/harness/npz.js';
import { STAGES } from '../src/harness/services.js';
import { until } from '../src/harness/until.js';
import { Cluster } from './harness/cluster.js';
import { inNodeNamespaces, RealNode } from './harness/real-node.js';

const IN = ['--namespace', NAMESPACE];

/** Helm installs the chart with the images of this checkout on a kubelet; tools/cluster/node/enter.sh starts this. */
describe.runIf(inNodeNamespaces)('a release on a real node', () => {
  let cluster: Cluster;
  let node: RealNode;
  let env: Record<string, string>;
  let archive: string;

  beforeAll(async () => {
    cluster = await Cluster.start({ nodes: [] });
    node = await RealNode.start(cluster);
    archive = join(cluster.folder, 'thirds.npz');
    await writeFile(archive, npz(medmnistMembers()));
    await cluster.restrictedNamespace(NAMESPACE);
  });
  afterAll(async () => {
    await cluster?.kubectl(['delete', 'deployments,statefulsets,pods', '--all', ...IN, '--timeout=120s']);
    await node?.stop();
    await cluster?.stop();
  });

  it('becomes ready under Pod Security restricted, every stage and the bundled object store', async () => {
    const installed = cluster.helm(
      ['install', RELEASE, CHART, ...IN, '--wait', '--timeout=240s', '--values', '-'],
      values(node),
    );
    // The services' names have to be known before the pods can become ready.
    const failed = installed.then(
      () => undefined,
      (error: unknown) => error,
    );
    const addresses = await until('the services', async () => {
      const found = await node.nameServices(cluster, NAMESPACE);
      return found.size > STAGES.length ? found : undefined;
    });
    expect(await failed).toBeUndefined();
    env = Object.fromEntries(
      STAGES.map((stage) => [
        `MEDFORMER_${stage.toUpperCase()}_ADDRESS`,
        `${addresses.get(`${RELEASE}-medformer-${stage}`)}:50050`,
      ]),
    );
    const pods = await cluster.list('pods', IN);
    expect(pods.map(({ spec }) => spec.nodeName)).toEqual(pods.map(() => node.name));
    expect(pods.every(({ status }) => status.podIP.startsWith('10.244.0.'))).toBe(true);
  });

  it('ingests images and trains on them, called by its Services', async () => {
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
    const spec = join(cluster.folder, 'simclr.yaml');
    await writeFile(spec, 'dataset: thirds\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 2\n');
    const { checkpoint } = await medformerJson(env, 'train', spec);
    expect(checkpoint).toMatch(/^[0-9a-f]{64}$/);
  });

  it('leaves nothing but the pseudonyms’ key when it is uninstalled', async () => {
    await cluster.helm(['uninstall', RELEASE, ...IN, '--wait', '--timeout=120s']);
    const left = await Promise.all(
      ['deployments', 'statefulsets', 'services', 'configmaps', 'secrets', 'networkpolicies'].map((kind) =>
        cluster.list(kind, IN),
      ),
    );
    expect(left.flat().map(({ metadata }) => metadata.name)).toEqual([
      'kube-root-ca.crt',
      `${RELEASE}-medformer-pseudonym-key`,
    ]);
    expect((await medformer(env, 'encode', archive)).code).not.toBe(0);
  });
});

/** Two cores run everything. */
function values({ image, minioImage }: RealNode) {
  const [repository, tag] = image.split(':');
  return {
    image: { registry: '', repository, tag, pullPolicy: 'Never' },
    minio: {
      enabled: true,
      image: minioImage,
      persistence: { enabled: false },
      resources: { requests: { cpu: '50m', memory: '256Mi' } },
    },
    tls: { source: 'none' },
    defaults: { resources: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '4Gi' } } },
    encoder: { replicas: 1 },
  };
}
