import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CHART,
  EXAMPLES,
  exampleFile,
  find,
  jobsIn,
  type Manifest,
  NAMESPACE,
  ofKind,
  RELEASE,
  renderText,
} from '../src/harness/chart.js';
import { STAGES } from '../src/harness/services.js';
import { until } from '../src/harness/until.js';
import { Cluster } from './harness/cluster.js';

const H100 = 'NVIDIA-H100-80GB-HBM3';
const zone = (name: string) => ({ 'topology.kubernetes.io/zone': name });
const NODES = [
  {
    name: 'gpu-0',
    labels: { ...zone('a'), 'nvidia.com/gpu.product': H100 },
    devices: { 'nvidia.com/gpu': 8 },
  },
  {
    name: 'gpu-1',
    labels: { ...zone('b'), 'nvidia.com/gpu.product': H100 },
    devices: { 'nvidia.com/gpu': 8 },
  },
  {
    name: 'gpu-old',
    labels: { ...zone('a'), 'nvidia.com/gpu.product': 'Tesla-V100' },
    devices: { 'nvidia.com/gpu': 8 },
  },
  {
    name: 'mig-0',
    labels: zone('b'),
    devices: { 'nvidia.com/mig-1g.10gb': 4, 'nvidia.com/mig-2g.20gb': 2, 'nvidia.com/mig-4g.40gb': 1 },
  },
  { name: 'cpu-0', labels: zone('a') },
  { name: 'cpu-1', labels: zone('b') },
  { name: 'cpu-2', labels: zone('b') },
];
const IN = ['--namespace', NAMESPACE];

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: NODES });
  await cluster.defineCustomResources();
  await cluster.restrictedNamespace(NAMESPACE);
  const priority = (name: string, value: number) => ({
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name },
    value,
  });
  await cluster.apply(priority('services', 1000), priority('training', 100), {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'nvidia' },
    handler: 'nvidia',
  });
});
afterAll(() => cluster?.stop());

describe('the API server', () => {
  it.each(EXAMPLES)('takes every object of the example %s as it is, without a warning', async (example) => {
    const manifests = await renderText({}, example);
    const { stdout, stderr } = await cluster.kubectl(
      ['apply', ...IN, '--dry-run=server', '--validate=strict', '--filename', '-'],
      manifests,
    );
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toHaveLength(manifests.match(/^kind: /gm)!.length);
  });

  it('refuses what the restricted Pod Security Standard forbids', async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'root', namespace: NAMESPACE },
      spec: { containers: [{ name: 'root', image: 'busybox', securityContext: { privileged: true } }] },
    };
    await expect(cluster.apply(pod)).rejects.toThrow('violates PodSecurity "restricted:latest"');
  });
});

describe('a release for a GPU cluster', () => {
  beforeAll(() => install('gpu-cluster'));
  afterAll(() => uninstall());

  it('runs every pod on a node that it may be on, spread over zones', async () => {
    const pods = await until('what the autoscaler asks for', async () => {
      const running = await podsOf();
      return running.length === 8 ? running : undefined;
    });
    expect(pods.map(({ component }) => component).sort()).toEqual(
      [...STAGES, 'encoder', 'encoder', 'trainer'].sort(),
    );
    for (const { node } of pods) expect(node).toMatch(/^cpu-/);
    const encoders = pods.filter(({ component }) => component === 'encoder');
    expect(new Set(encoders.map(({ node }) => node)).size).toBe(3);
  });

  it('lets trainer control make jobs and read their pods, and nothing else', async () => {
    const may = (verb: string, resource: string, namespace = NAMESPACE) =>
      canI(`${RELEASE}-medformer-trainer`, verb, resource, namespace);
    for (const verb of ['get', 'list', 'watch', 'create', 'patch', 'delete'])
      expect(await may(verb, 'jobs.batch')).toBe(true);
    expect(await may('list', 'pods')).toBe(true);
    expect(await may('get', 'pods/log')).toBe(true);
    for (const [verb, resource] of [
      ['create', 'pods'],
      ['delete', 'pods'],
      ['create', 'pods/exec'],
      ['get', 'secrets'],
      ['get', 'configmaps'],
      ['create', 'deployments.apps'],
      ['delete', 'networkpolicies.networking.k8s.io'],
      ['create', 'rolebindings.rbac.authorization.k8s.io'],
      ['get', 'nodes'],
    ] as const)
      expect([verb, resource, await may(verb, resource)]).toEqual([verb, resource, false]);
    expect(await may('create', 'jobs.batch', 'default')).toBe(false);
  });

  it('lets no other account do anything', async () => {
    for (const stage of [...STAGES.filter((each) => each !== 'trainer'), 'trainer-job'])
      for (const [verb, resource] of [
        ['list', 'pods'],
        ['create', 'jobs.batch'],
        ['get', 'secrets'],
      ] as const)
        expect(await canI(`${RELEASE}-medformer-${stage}`, verb, resource)).toBe(false);
  });

  it('trains on GPU nodes of the product, waits while none is free, and goes on when one is', async () => {
    await makeJob('first', 2);
    await until(
      'the first job on both nodes',
      async () => (await running('first')).length === 2 || undefined,
    );
    expect((await running('first')).sort()).toEqual(['gpu-0', 'gpu-1']);
    await makeJob('second', 1);
    const reason = await until('the scheduler on the second job', async () => {
      const [pod] = await cluster.list('pods', [...IN, '--selector', 'batch.kubernetes.io/job-name=second']);
      return pod?.status.conditions?.find((each: Manifest) => each.reason === 'Unschedulable')?.message;
    });
    expect(reason).toContain('Insufficient nvidia.com/gpu');
    await cluster.kubectl(['delete', 'job', 'first', ...IN]);
    await until('the second job', async () => (await running('second')).length === 1 || undefined);
    expect((await running('second'))[0]).toMatch(/^gpu-[01]$/);
    await cluster.kubectl(['delete', 'job', 'second', ...IN]);
  });

  it("lets a job's pods reach no other job's collective port, for as long as the job is there", async () => {
    await makeJob('distributed', 2);
    const policy = (await cluster.list('networkpolicies', IN)).find(
      ({ metadata }) => metadata.name === 'distributed',
    );
    const selected = policy!.spec.podSelector.matchLabels;
    expect(policy!.spec.egress[0].to).toEqual([{ podSelector: { matchLabels: selected } }]);
    expect(policy!.spec.ingress[0].from).toEqual([{ podSelector: { matchLabels: selected } }]);
    const pods = await until('both pods', async () => {
      const labels = Object.entries(selected).map(([label, value]) => `${label}=${value}`);
      const found = await cluster.list('pods', [...IN, '--selector', labels.join(',')]);
      return found.length === 2 ? found : undefined;
    });
    expect(pods.map(({ spec }) => `${spec.hostname}.${spec.subdomain}`).sort()).toEqual(
      [0, 1].map((index) => `distributed-${index}.${RELEASE}-medformer-trainer-job`),
    );
    await cluster.kubectl(['delete', 'job', 'distributed', ...IN]);
    await until('its policy to go with it', async () => {
      const names = (await cluster.list('networkpolicies', IN)).map(({ metadata }) => metadata.name);
      return names.includes('distributed') ? undefined : true;
    });
  });

  it('keeps encoding while a node is drained: one pod at a time', async () => {
    const budget = find(await cluster.list('poddisruptionbudgets', IN), 'PodDisruptionBudget', 'encoder');
    expect(budget.status.disruptionsAllowed).toBe(1);
    const [pod] = (await podsOf()).filter(({ component }) => component === 'encoder');
    const drain = ['drain', pod!.node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=120s'];
    await cluster.kubectl(drain);
    await cluster.kubectl([
      'wait',
      'deployment',
      '--all',
      ...IN,
      '--for=condition=Available',
      '--timeout=120s',
    ]);
    for (const { node } of await podsOf()) expect(node).not.toBe(pod!.node);
    await cluster.kubectl(['uncordon', pod!.node]);
  });

  it('counts its GPUs against the quota of its namespace', async () => {
    const quota = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'gpus', namespace: NAMESPACE },
      spec: { hard: { 'requests.nvidia.com/gpu': '8' } },
    };
    await cluster.apply(quota);
    await makeJob('within', 1);
    await until('the job within the quota', async () => (await running('within')).length === 1 || undefined);
    await makeJob('beyond', 1);
    const refused = await until('the refusal', async () => {
      const events = await cluster.list('events', [...IN, '--field-selector', 'involvedObject.name=beyond']);
      return events.find(({ reason }) => reason === 'FailedCreate')?.message;
    });
    expect(refused).toContain('exceeded quota: gpus');
    await cluster.kubectl(['delete', 'job', 'within', 'beyond', ...IN]);
    await cluster.kubectl(['delete', 'resourcequota', 'gpus', ...IN]);
  });
});

describe('a release on slices of GPUs', () => {
  beforeAll(() => install('mig', { trainer: { storage: { existingClaim: '' } } }));
  afterAll(() => uninstall());

  it('runs what asks for slices where there are slices, and the rest elsewhere', async () => {
    const nodes = Object.fromEntries((await podsOf()).map(({ component, node }) => [component, node]));
    expect(nodes).toMatchObject({ encoder: 'mig-0', evaluation: 'mig-0', trainer: 'mig-0' });
    expect(nodes.ingestion).toMatch(/^cpu-/);
    expect(nodes.augmentation).toMatch(/^cpu-/);
  });
});

describe('a release for a trial', () => {
  const withoutClaim = { minio: { persistence: { enabled: false } } };
  beforeAll(() => install('trial', withoutClaim));
  afterAll(() => uninstall());

  it('takes a new version pod by pod, keeps its passwords, and goes back', async () => {
    const images = async () =>
      (await cluster.list('deployments', IN))
        .map((each) => each.spec.template.spec.containers[0].image as string)
        .sort();
    const passwords = async () => ofKind(await cluster.list('secrets', IN), 'Secret').map(({ data }) => data);
    const [before, secrets] = [await images(), await passwords()];
    const newer = {
      ...withoutClaim,
      image: { tag: '0.2.0' },
      encoder: { replicas: 2, settings: { logLevel: 'debug' } },
      networkPolicy: { allow: { clients: { ingestion: null } } },
    };
    await upgrade('trial', newer);
    expect(new Set(await images())).toEqual(new Set(['medformer/medformer:0.2.0']));
    expect(await passwordsWithout(secrets)).toEqual([]);
    await cluster.helm(['rollback', RELEASE, '1', ...IN, '--wait', '--timeout', '3m']);
    expect(await images()).toEqual(before);
    expect(await passwordsWithout(secrets)).toEqual([]);
    const encoder = find(await cluster.list('deployments', IN), 'Deployment', 'encoder');
    expect(encoder.spec.replicas).toBe(1);
    const policies = (await cluster.list('networkpolicies', IN)).map(({ metadata }) => metadata.name);
    expect(policies).toContain(`${RELEASE}-medformer-ingestion-from-clients`);
  });

  it('refuses an upgrade with a misspelt value and stays as it was', async () => {
    await expect(upgrade('trial', { ...withoutClaim, encoder: { replica: 3 } })).rejects.toThrow(
      "additional properties 'replica' not allowed",
    );
    const { stdout } = await cluster.helm(['status', RELEASE, ...IN, '--output', 'json']);
    expect(JSON.parse(stdout).info.status).toBe('deployed');
  });

  it('leaves the pseudonym key behind when it goes, and nothing else', async () => {
    await uninstall();
    const left = await until('the pods to go', async () => {
      const kinds = 'deployments,statefulsets,services,configmaps,secrets,networkpolicies,serviceaccounts';
      const objects = await cluster.list(kinds, [
        ...IN,
        '--selector',
        `app.kubernetes.io/instance=${RELEASE}`,
      ]);
      return objects.length <= 1 ? objects : undefined;
    });
    expect(left.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      `Secret ${RELEASE}-medformer-pseudonym-key`,
    ]);
    await install('trial', withoutClaim);
  });

  /** Secrets of the release whose data is not what it was. */
  async function passwordsWithout(known: object[]): Promise<Manifest[]> {
    const values = known.map((data) => JSON.stringify(data));
    return ofKind(
      await cluster.list('secrets', [...IN, '--selector', `app.kubernetes.io/name=medformer`]),
      'Secret',
    )
      .map(({ data }) => data)
      .filter((data) => !values.includes(JSON.stringify(data)));
  }
});

const WAIT = ['--wait', '--timeout', '3m'];

async function install(example: string, values: object = {}): Promise<void> {
  await cluster.helm(
    ['install', RELEASE, CHART, ...IN, ...WAIT, '--values', exampleFile(example), '--values', '-'],
    values,
  );
}

async function upgrade(example: string, values: object): Promise<void> {
  await cluster.helm(
    ['upgrade', RELEASE, CHART, ...IN, ...WAIT, '--values', exampleFile(example), '--values', '-'],
    values,
  );
}

async function uninstall(): Promise<void> {
  await cluster.helm(['uninstall', RELEASE, ...IN, '--wait', '--ignore-not-found']);
  await until('the pods to go', async () => (await cluster.list('pods', IN)).length === 0 || undefined);
}

/** The release's running pods, jobs' excluded. */
async function podsOf(): Promise<{ component: string; node: string }[]> {
  const pods = await cluster.list('pods', [...IN, '--field-selector', 'status.phase=Running']);
  return pods
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, spec }) => ({
      component: metadata.labels['app.kubernetes.io/component'],
      node: spec.nodeName,
    }));
}

/** Nodes on which pods of a job run. */
async function running(job: string): Promise<string[]> {
  const selector = ['--selector', `batch.kubernetes.io/job-name=${job}`];
  const pods = await cluster.list('pods', [...IN, ...selector, '--field-selector', 'status.phase=Running']);
  return pods.map(({ spec }) => spec.nodeName);
}

/** Makes a job and its policy of the release's templates as trainer control does: with its account, admitted at once. */
async function makeJob(name: string, pods: number): Promise<void> {
  const [job, policy] = jobsIn(find(await cluster.list('configmaps', IN), 'ConfigMap', 'trainer-job'));
  const account = `--as=system:serviceaccount:${NAMESPACE}:${RELEASE}-medformer-trainer`;
  const create = async (manifest: Manifest) => {
    const args = ['create', account, '--output', 'json', '--filename', '-'];
    return JSON.parse((await cluster.kubectl(args, manifest)).stdout);
  };
  const { metadata } = await create({
    ...job,
    metadata: { ...job.metadata, name },
    spec: { ...job.spec, completions: pods, parallelism: pods, suspend: false },
  });
  policy.metadata.name = name;
  policy.metadata.ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name, uid: metadata.uid }];
  policy.spec.podSelector.matchLabels['batch.kubernetes.io/job-name'] = name;
  await create(policy);
}

async function canI(
  account: string,
  verb: string,
  resource: string,
  namespace = NAMESPACE,
): Promise<boolean> {
  const user = `system:serviceaccount:${NAMESPACE}:${account}`;
  const answer = await cluster
    .kubectl(['auth', 'can-i', verb, resource, `--as=${user}`, '--namespace', namespace])
    .catch((error) => error);
  return answer.stdout === 'yes';
}
