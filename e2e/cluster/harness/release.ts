import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { issue, makeAuthority } from '@medformer/object-store/testing/certificates';
import { CHART, type Manifest, NAMESPACE, RELEASE } from '../../src/harness/chart.js';
import { STAGES } from '../../src/harness/services.js';
import { until } from '../../src/harness/until.js';
import { EncodeTraffic } from './encode-traffic.js';
import type { RealNode } from './real-node.js';

const IN = ['--namespace', NAMESPACE];
const DOMAIN = `${NAMESPACE}.svc.cluster.local`;
const FULL_NAME = `${RELEASE}-medformer`;
/** Part of a run's id; elsewhere the same run gets the same one. */
export const CODE_VERSION = 'e2e';
const TLS_SECRETS = ['server', 'client'];

/** The chart with mTLS, training jobs and the bundled MinIO, as a release on a real node; its callers stand on the node. */
export class Release {
  /** For the command: the Services' names, and a client's certificate. */
  readonly env: Record<string, string>;

  private constructor(
    private readonly node: RealNode,
    private readonly certificates: Record<'ca' | 'cert' | 'key', string>,
  ) {
    this.env = {
      ...this.withoutCertificate,
      MEDFORMER_TLS_CERT_FILE: certificates.cert,
      MEDFORMER_TLS_KEY_FILE: certificates.key,
    };
  }

  /** Makes the namespace and the Secrets that the release's values name. */
  static async prepare(node: RealNode): Promise<Release> {
    const { cluster } = node;
    await cluster.restrictedNamespace(NAMESPACE);
    const authority = await makeAuthority();
    const dns = [`*.${DOMAIN}`, ...STAGES.map((stage) => `${FULL_NAME}-${stage}`)];
    const file = (name: string) => join(cluster.folder, name);
    for (const name of TLS_SECRETS) {
      const { key, cert } = await issue(authority, name, { dns });
      const stringData = { 'tls.key': key, 'tls.crt': cert, 'ca.crt': authority.cert };
      await cluster.apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name, namespace: NAMESPACE },
        stringData,
      });
      for (const [key, text] of Object.entries(stringData)) await writeFile(file(`${name}-${key}`), text);
    }
    return new Release(node, {
      ca: file('client-ca.crt'),
      cert: file('client-tls.crt'),
      key: file('client-tls.key'),
    });
  }

  get withoutCertificate(): Record<string, string> {
    return {
      ...Object.fromEntries(
        STAGES.map((stage) => [
          `MEDFORMER_${stage.toUpperCase()}_ADDRESS`,
          `${FULL_NAME}-${stage}.${DOMAIN}:50050`,
        ]),
      ),
      MEDFORMER_TLS_CA_FILE: this.certificates.ca,
    };
  }

  async install(): Promise<void> {
    await this.helm('install', {});
  }

  /** Rolls what the changed values change out; resolves when it is ready. */
  async upgrade(change: object): Promise<void> {
    await this.helm('upgrade', change);
  }

  async rollback(): Promise<void> {
    await this.node.cluster.helm(['rollback', RELEASE, ...IN, '--wait', '--timeout=280s']);
  }

  async uninstall(): Promise<void> {
    await this.node.cluster.helm(['uninstall', RELEASE, ...IN, '--wait', '--timeout=120s']);
  }

  /** What `helm test` says. */
  async test(): Promise<string> {
    const { stdout } = await this.node.cluster.helm(['test', RELEASE, ...IN, '--timeout=200s']);
    return stdout;
  }

  list(kind: string, ...args: string[]): Promise<Manifest[]> {
    return this.node.cluster.list(kind, [...IN, ...args]);
  }

  pods(component?: string): Promise<Manifest[]> {
    return this.list('pods', ...(component ? ['-l', `app.kubernetes.io/component=${component}`] : []));
  }

  /** The Job of a run, once it is complete or has failed. */
  endedJob(run: string): Promise<Manifest> {
    return until('the end of the training job', () => this.endedJobNow(run), 240_000);
  }

  async isJobOver(run: string): Promise<boolean> {
    return (await this.endedJobNow(run)) !== undefined;
  }

  async deleteJobs(): Promise<void> {
    await this.node.cluster.kubectl(['delete', 'jobs', '--all', ...IN, '--timeout=120s']);
  }

  /** Resolves when all pods that the components should have are ready. */
  async ready(...components: string[]): Promise<void> {
    for (const component of components) {
      const owner =
        component === 'object-store'
          ? `statefulset/${FULL_NAME}-minio`
          : `deployment/${FULL_NAME}-${component}`;
      await until(
        `all pods of ${component}`,
        async () => {
          const { stdout } = await this.node.cluster.kubectl(['get', owner, ...IN, '--output', 'json']);
          const pods = await this.pods(component);
          const { replicas } = JSON.parse(stdout).spec;
          const kept = pods.every(({ metadata }) => !metadata.deletionTimestamp);
          return (kept && pods.length === replicas && pods.every((pod) => holds(pod, 'Ready'))) || undefined;
        },
        200_000,
      );
    }
  }

  /** Secrets that are neither the test's nor Helm's records. */
  async ownSecrets(): Promise<Manifest[]> {
    const secrets = await this.list('secrets');
    return secrets.filter(({ metadata }) => !TLS_SECRETS.includes(metadata.name));
  }

  /** What the release drew for itself. */
  async pseudonymKey(): Promise<string> {
    const secrets = await this.list(
      'secrets',
      '--field-selector',
      `metadata.name=${FULL_NAME}-pseudonym-key`,
    );
    return Buffer.from(secrets[0]?.data.pseudonymKey, 'base64').toString();
  }

  /** Encodes images by all encoders in turn until it is stopped. */
  traffic(): EncodeTraffic {
    return new EncodeTraffic(`dns:///${FULL_NAME}-encoder-headless.${DOMAIN}:50050`, this.certificates);
  }

  /** Takes a pod away as a lost node would: its object is gone at once, its processes are killed. */
  async lose(pod: Manifest): Promise<void> {
    const args = ['delete', 'pod', pod.metadata.name, ...IN, '--grace-period=0', '--force', '--wait=false'];
    await this.node.cluster.kubectl(args);
  }

  /** A pod of nobody's release; resolves when it runs. */
  async bystander(name: string, labels: Record<string, string> = {}): Promise<Bystander> {
    await this.node.cluster.apply(bystanderPod(name, labels, this.node.image));
    const args = ['wait', '--for=condition=Ready', `pod/${name}`, ...IN, '--timeout=120s'];
    await this.node.cluster.kubectl(args);
    return {
      reaches: async (host, port) => {
        const probe = ['exec', name, ...IN, '--', 'node', '-e', CONNECT, host, String(port)];
        const { stdout } = await this.node.cluster.kubectl(probe);
        return stdout.trim() === 'connected';
      },
    };
  }

  private async endedJobNow(run: string): Promise<Manifest | undefined> {
    const name = `--field-selector=metadata.name=run-${run.slice(0, 32)}`;
    const jobs = await this.list('jobs', name);
    return jobs.find((job) => ['Complete', 'Failed'].some((condition) => holds(job, condition)));
  }

  private async helm(verb: 'install' | 'upgrade', change: object): Promise<void> {
    const args = [verb, RELEASE, CHART, ...IN, '--wait', '--timeout=280s', '--values', '-'];
    await this.node.cluster.helm(args, { ...values(this.node), ...change });
  }
}

export interface Bystander {
  /** Whether a TCP connection comes about within some seconds; a refused one throws. */
  reaches(host: string, port: number): Promise<boolean>;
}

const CONNECT = `
const socket = require('node:net').connect({ host: process.argv[1], port: Number(process.argv[2]) });
const end = (word) => { console.log(word); process.exit(); };
socket.on('connect', () => end('connected'));
socket.on('error', (error) => { console.error(error.message); process.exit(1); });
setTimeout(() => end('no answer'), 5000);
`;

function bystanderPod(name: string, labels: Record<string, string>, image: string): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels },
    spec: {
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'node',
          image,
          imagePullPolicy: 'Never',
          command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
}

const holds = ({ status }: Manifest, condition: string): boolean =>
  (status.conditions ?? []).some(
    ({ type, status: value }: Manifest) => type === condition && value === 'True',
  );

/** Two cores run everything. */
function values({ image, minioImage }: RealNode) {
  const [repository, tag] = image.split(':');
  const resources = { requests: { cpu: '20m', memory: '128Mi' }, limits: { memory: '4Gi' } };
  const env = [{ name: 'MEDFORMER_CODE_VERSION', value: CODE_VERSION }];
  return {
    image: { registry: '', repository, tag, pullPolicy: 'Never' },
    minio: { enabled: true, image: minioImage, persistence: { enabled: false }, resources },
    tls: { source: 'secret', existingSecret: TLS_SECRETS[0], clientSecret: TLS_SECRETS[1] },
    defaults: { env, resources, probes: { startupFailures: 120, timeoutSeconds: 10 } },
    // A killed container counts as a failed pod.
    trainer: { jobs: { enabled: true, gpu: { count: 0 }, resources, env, backoffLimit: 20 } },
    encoder: { replicas: 1 },
  };
}
