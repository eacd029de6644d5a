import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { HELM, type Manifest } from '../../src/harness/chart.js';
import { freePort, ROOT } from '../../src/harness/services.js';
import { until } from '../../src/harness/until.js';

const CACHE = join(ROOT, '.cache/cluster');
/** Kubernetes and etcd, as one program. */
export const HYPERKUBE = join(CACHE, 'bin/hyperkube');
const KWOK = join(CACHE, 'bin/kwok');
const LOOPBACK = '127.0.0.1';

/** A node that KWOK plays: pods that land on it are Ready at once and run nothing. */
export interface FakeNode {
  name: string;
  labels?: Record<string, string>;
  /** Extended resources, e.g. `{ 'nvidia.com/gpu': 8 }`; a node that has some is tainted as GPU nodes are. */
  devices?: Record<string, number>;
}

export interface ClusterOptions {
  nodes: readonly FakeNode[];
  /** Pods of jobs end with success as soon as they run; otherwise they run until they are deleted. */
  jobsComplete?: boolean;
  /** Thousands of objects on few cores: rarer heartbeats of the nodes, controllers not held to their default rates. */
  large?: boolean;
  /** Where the API server listens: pods of a real node need another address than the loopback. */
  address?: string;
}

export interface Output {
  stdout: string;
  stderr: string;
}

/**
 * A Kubernetes control plane of its own on free ports of the loopback: real etcd, API server (RBAC, PodSecurity, quotas),
 * controllers and scheduler; nodes and containers are KWOK's.
 */
export class Cluster {
  private constructor(
    readonly folder: string,
    readonly kubeconfig: string,
    private readonly processes: Launched[],
  ) {}

  /** @throws Error when a component does not answer; its log stands in `folder`, which then stays. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    if (!existsSync(HYPERKUBE)) throw new Error(`${HYPERKUBE} is missing: run \`make e2e-cluster\``);
    const folder = await mkdtemp(join(tmpdir(), 'medformer-cluster-'));
    const cluster = new Cluster(folder, join(folder, 'kubeconfig'), []);
    try {
      await cluster.startControlPlane(options);
      await cluster.startNodes(options);
      return cluster;
    } catch (error) {
      await endAll(cluster.processes);
      throw new Error(`no cluster; its logs stand in ${folder}`, { cause: error });
    }
  }

  /** Rejects with kubectl's words when it fails. */
  async kubectl(args: readonly string[], input?: string | object): Promise<Output> {
    return this.run(HYPERKUBE, ['kubectl', ...args], input);
  }

  async helm(args: readonly string[], input?: string | object): Promise<Output> {
    return this.run(HELM, args, input);
  }

  /** Objects of a kind, of a namespace or of the cluster. */
  async list(kind: string, args: readonly string[] = []): Promise<Manifest[]> {
    const { stdout } = await this.kubectl(['get', kind, ...args, '--output', 'json']);
    return JSON.parse(stdout).items;
  }

  async apply(...manifests: Manifest[]): Promise<void> {
    await this.kubectl(['apply', '--filename', '-'], { apiVersion: 'v1', kind: 'List', items: manifests });
  }

  /** A namespace that admits only pods of the restricted Pod Security Standard. */
  async restrictedNamespace(name: string): Promise<void> {
    const labels = Object.fromEntries(
      ['enforce', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']),
    );
    await this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    await until(`the service account of ${name}`, () =>
      this.kubectl(['get', 'serviceaccount', 'default', '--namespace', name]).catch(() => undefined),
    );
  }

  /** The API as plain HTTP on the loopback, for tests that ask it often. Who starts it ends the process. */
  async proxy(): Promise<{ api: string; proxy: ChildProcess }> {
    const port = await freePort();
    const proxy = spawn(HYPERKUBE, ['kubectl', 'proxy', `--port=${port}`], {
      env: { KUBECONFIG: this.kubeconfig, HOME: this.folder },
      stdio: 'ignore',
    });
    const api = `http://127.0.0.1:${port}`;
    const answers = () =>
      fetch(`${api}/readyz`).then(
        ({ ok }) => ok || undefined,
        () => undefined,
      );
    await until('the proxy of the API server', answers);
    return { api, proxy };
  }

  /** A kubeconfig of a service account, with a token as its pods get one. */
  async kubeconfigOf(serviceAccount: string, namespace: string): Promise<string> {
    const args = ['create', 'token', serviceAccount, '--namespace', namespace, '--duration', '1h'];
    const { stdout: token } = await this.kubectl(args);
    const config = JSON.parse(readFileSync(this.kubeconfig, 'utf8'));
    config.users = [{ name: 'admin', user: { token: token.trim() } }];
    const file = join(this.folder, `${serviceAccount}.kubeconfig`);
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  /** The custom resources that the chart makes, as their projects define them. */
  async defineCustomResources(): Promise<void> {
    const file = join(CACHE, 'crds');
    await this.kubectl(['apply', '--server-side', '--filename', file]);
    await this.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=120s']);
  }

  /** @param options `keepFolder`: with its logs */
  async stop({ keepFolder = false } = {}): Promise<void> {
    await endAll(this.processes);
    if (!keepFolder) await rm(this.folder, { recursive: true, force: true });
  }

  private async startControlPlane({ large = false, address = LOOPBACK }: ClusterOptions): Promise<void> {
    const rates = large ? ['--kube-api-qps=500', '--kube-api-burst=1000'] : [];
    const [clientPort, peerPort, apiPort] = [await freePort(), await freePort(), await freePort()];
    const etcd = `http://127.0.0.1:${clientPort}`;
    const file = (name: string) => join(this.folder, name);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const token = randomBytes(24).toString('hex');
    await mkdir(file('pki'));
    await writeFile(file('service-accounts.key'), privateKey);
    await writeFile(file('service-accounts.pub'), publicKey);
    await writeFile(file('tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
    this.launch('etcd', [
      `--data-dir=${file('etcd')}`,
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
    ]);
    this.launch('kube-apiserver', [
      `--etcd-servers=${etcd}`,
      `--bind-address=${address}`,
      `--secure-port=${apiPort}`,
      `--cert-dir=${file('pki')}`,
      `--advertise-address=${address}`,
      '--kubelet-preferred-address-types=InternalIP',
      // Endpoints of the Service `kubernetes`, by which pods call; they may not be on the loopback.
      `--endpoint-reconciler-type=${address === LOOPBACK ? 'none' : 'lease'}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${file('service-accounts.pub')}`,
      `--service-account-signing-key-file=${file('service-accounts.key')}`,
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      // As clusters do that run drivers: what forbids it here is Pod Security alone.
      '--allow-privileged=true',
    ]);
    const certificate = file('pki/apiserver.crt');
    await until('the certificate of the API server', () => existsSync(certificate) || undefined, 120_000);
    await writeFile(this.kubeconfig, kubeconfigOf(address, apiPort, certificate, token), { mode: 0o600 });
    await until(
      'the API server',
      async () => {
        const { stdout } = await this.kubectl(['get', '--raw', '/readyz']).catch(() => ({ stdout: '' }));
        return stdout === 'ok' || undefined;
      },
      180_000,
    );
    this.launch('kube-controller-manager', [
      `--kubeconfig=${this.kubeconfig}`,
      `--service-account-private-key-file=${file('service-accounts.key')}`,
      `--root-ca-file=${certificate}`,
      '--use-service-account-credentials',
      '--leader-elect=false',
      '--secure-port=0',
      ...rates,
      ...(large ? ['--node-monitor-grace-period=15m'] : []),
    ]);
    this.launch('kube-scheduler', [
      `--kubeconfig=${this.kubeconfig}`,
      '--leader-elect=false',
      '--secure-port=0',
      ...rates,
    ]);
  }

  private async startNodes({ nodes, jobsComplete = false, large = false }: ClusterOptions): Promise<void> {
    if (nodes.length === 0) return;
    await this.apply(...nodes.map(manifestOf));
    const stages = [
      'node/fast/node-initialize.yaml',
      'node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
      'pod/fast/pod-ready.yaml',
      'pod/fast/pod-delete.yaml',
      ...(jobsComplete ? ['pod/fast/pod-complete.yaml'] : []),
    ];
    this.launchFile('kwok', KWOK, [
      `--kubeconfig=${this.kubeconfig}`,
      '--manage-all-nodes=false',
      '--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake',
      `--node-lease-duration-seconds=${large ? 600 : 40}`,
      `--server-address=127.0.0.1:${await freePort()}`,
      ...stages.map((stage) => `--config=${join(CACHE, 'kwok-stages', stage)}`),
    ]);
    await this.kubectl(['wait', '--for=condition=Ready', 'node', '--all', '--timeout=180s']);
  }

  private launch(component: string, args: string[]): void {
    this.launchFile(component, HYPERKUBE, [component, ...args]);
  }

  private launchFile(name: string, program: string, args: string[]): void {
    this.processes.push(launch(program, args, join(this.folder, `${name}.log`)));
  }

  private async run(program: string, args: readonly string[], input?: string | object): Promise<Output> {
    const { stdout, stderr } = await execa(program, args, {
      env: { KUBECONFIG: this.kubeconfig, HOME: this.folder },
      ...(input === undefined ? {} : { input: typeof input === 'string' ? input : JSON.stringify(input) }),
    });
    return { stdout, stderr };
  }
}

export type Launched = ReturnType<typeof launch>;

/** Its output goes to the file `log`. */
export function launch(program: string, args: readonly string[], log: string) {
  const started = execa(program, args, { stdin: 'ignore', buffer: false, reject: false, all: true });
  started.all.pipe(createWriteStream(log));
  return started;
}

/** Ends them, the last one first, and forgets them. */
export async function endAll(processes: Launched[]): Promise<void> {
  for (const started of processes.splice(0).reverse()) {
    started.kill('SIGTERM');
    const killed = setTimeout(() => started.kill('SIGKILL'), 10_000);
    await started;
    clearTimeout(killed);
  }
}

function kubeconfigOf(address: string, port: number, certificate: string, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'e2e',
        cluster: {
          server: `https://${address}:${port}`,
          'certificate-authority-data': readFileSync(certificate).toString('base64'),
        },
      },
    ],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: 'admin' } }],
    'current-context': 'e2e',
  });
}

function manifestOf({ name, labels, devices }: FakeNode): Manifest {
  const capacity = {
    cpu: '128',
    memory: '1Ti',
    pods: '110',
    'ephemeral-storage': '2Ti',
    ...Object.fromEntries(Object.entries(devices ?? {}).map(([device, count]) => [device, String(count)])),
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, ...labels },
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
    },
    spec: devices ? { taints: [{ key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' }] } : {},
    status: { capacity, allocatable: capacity },
  };
}
