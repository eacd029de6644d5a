import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { type Run, TrainerServiceClient } from '@medformer/gen/trainer';
import { parseAllDocuments } from 'yaml';
import { CHART, exampleFile, find, type Manifest, NAMESPACE, RELEASE } from '../../src/harness/chart.js';
import { medformerJson } from '../../src/harness/medformer.js';
import { medmnistMembers, npz } from '../../src/harness/npz.js';
import { freePort, ROOT, startStandalone } from '../../src/harness/services.js';
import { until } from '../../src/harness/until.js';
import type { Cluster } from './cluster.js';

const IN = ['--namespace', NAMESPACE];

type Unary = 'startRun' | 'cancelRun' | 'suspendRun' | 'resumeRun' | 'getRun';

/** A process of trainer control. */
export class Control {
  readonly client: TrainerServiceClient;

  constructor(
    readonly process: ChildProcess,
    readonly port: number,
    readonly metricsPort: number,
  ) {
    this.client = new TrainerServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  call(rpc: Unary, request: object): Promise<Run> {
    type Call = (request: object, done: (error: ServiceError | null, answer: { run: Run }) => void) => void;
    return new Promise((resolve, reject) =>
      (this.client[rpc] as unknown as Call).call(this.client, request, (error, answer) =>
        error ? reject(error) : resolve(answer.run),
      ),
    );
  }

  async stop(): Promise<void> {
    this.client.close();
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGTERM');
    await once(this.process, 'exit');
  }
}

/** What trainer control needs of a cluster: the chart's role and template, and a store with a data set named `thirds`. */
export class TrainerInstallation {
  readonly controls: Control[] = [];

  private constructor(
    readonly folder: string,
    private readonly kubeconfig: string,
  ) {}

  static async make(cluster: Cluster): Promise<TrainerInstallation> {
    const folder = join(cluster.folder, 'trainer-control');
    await mkdir(join(folder, 'template'), { recursive: true });
    await ingest(folder);
    await cluster.defineCustomResources();
    await cluster.restrictedNamespace(NAMESPACE);
    await installJobs(cluster, join(folder, 'template'));
    const kubeconfig = await cluster.kubeconfigOf(`${RELEASE}-medformer-trainer`, NAMESPACE);
    return new TrainerInstallation(folder, kubeconfig);
  }

  get store(): string {
    return join(this.folder, 'data/store');
  }

  get storeUrl(): string {
    return pathToFileURL(this.store).href;
  }

  /** A control on the cluster with the chart's service account, as its pod runs it. */
  async control(): Promise<Control> {
    const [port, metricsPort] = [await freePort(), await freePort()];
    const child = fork(join(ROOT, 'services/trainer/dist/main.js'), [], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        PATH: process.env.PATH,
        KUBECONFIG: this.kubeconfig,
        MEDFORMER_DATA: this.folder,
        MEDFORMER_STORE: this.storeUrl,
        MEDFORMER_PORT: String(port),
        MEDFORMER_METRICS_PORT: String(metricsPort),
        MEDFORMER_TRAINER_BACKEND: 'kubernetes',
        MEDFORMER_TRAINER_JOB_TEMPLATE: join(this.folder, 'template/job.yaml'),
        MEDFORMER_NAMESPACE: NAMESPACE,
      },
    });
    const log = createWriteStream(join(this.folder, 'control.log'), { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    const ready = () =>
      fetch(`http://127.0.0.1:${metricsPort}/readyz`).then(
        ({ ok }) => ok || undefined,
        () => {
          if (child.exitCode !== null) throw new Error('control ended; see control.log');
        },
      );
    await until('the control', ready, 120_000);
    const control = new Control(child, port, metricsPort);
    this.controls.push(control);
    return control;
  }

  async stop(): Promise<void> {
    for (const control of this.controls.splice(0)) await control.stop();
  }
}

export const MODEL = {
  width: 24,
  depth: 1,
  heads: 3,
  latents: 4,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 2,
};

/** A run whose steps take some milliseconds. */
export function specOf(change: object) {
  return {
    dataset: 'thirds',
    method: { name: 'simclr', projection: [16, 8], batching: 'mixed' },
    model: MODEL,
    batchSize: 8,
    ...change,
  };
}

async function ingest(folder: string): Promise<void> {
  const archive = join(folder, 'thirds.npz');
  await writeFile(archive, npz(medmnistMembers({ train: 48, val: 12, test: 24 })));
  const standalone = await startStandalone(join(folder, 'data'));
  const argv = ['--name', 'thirds', '--modality', 'xray', '--body-part', 'chest'];
  await medformerJson(standalone.env, 'ingest', archive, ...argv);
  await standalone.stop();
}

/** The release's objects that jobs need, with jobs that start without a queue; and the template as its pod would see it. */
async function installJobs(cluster: Cluster, template: string): Promise<void> {
  const gpu = { runtimeClassName: '' };
  const values = {
    trainer: { jobs: { queue: '', ttlSecondsAfterFinished: 3600, priorityClassName: '', gpu } },
  };
  const args = ['template', RELEASE, CHART, ...IN, '--values', exampleFile('gpu-cluster'), '--values', '-'];
  const { stdout } = await cluster.helm(args, values);
  const manifests = parseAllDocuments(stdout)
    .map((document) => document.toJS() as Manifest)
    .filter(Boolean);
  const needed = manifests.filter(({ kind }) => ['Role', 'RoleBinding', 'ServiceAccount'].includes(kind));
  await cluster.apply(
    ...needed.map((each) => ({ ...each, metadata: { ...each.metadata, namespace: NAMESPACE } })),
  );
  const { data } = find(manifests, 'ConfigMap', 'trainer-job');
  for (const [file, text] of Object.entries(data as Record<string, string>))
    await writeFile(join(template, file), text);
}
