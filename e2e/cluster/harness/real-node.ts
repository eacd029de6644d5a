import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Manifest } from '../../src/harness/chart.js';
import { ROOT } from '../../src/harness/services.js';
import { until } from '../../src/harness/until.js';
import { Cluster, endAll, HYPERKUBE, type Launched, launch } from './cluster.js';
import { kubeSystem } from './kube-system.js';

const IMAGES = join(ROOT, '.cache/images');
const ARCHIVES = ['image-cpu', 'pause', 'minio', 'cluster-services'];
/** What tools/cluster/node/inside.sh gave this network. */
const NODE_ADDRESS = '10.10.0.2';
const DNS_ADDRESS = '10.96.0.10';
const PODS = '10.244.0.0/24';
const NAME = 'real-0';

/** Whether this process is where a kubelet can run: `tools/cluster/node/enter.sh`. */
export const inNodeNamespaces = process.env.MEDFORMER_NODE_NAMESPACES === '1';

/**
 * A cluster whose pods are containers: kubelet, containerd, runc, pods with addresses of their own, Services by kube-proxy, names
 * by CoreDNS, NetworkPolicy objects enforced.
 */
export class RealNode {
  readonly name = NAME;

  private constructor(
    readonly cluster: Cluster,
    readonly image: string,
    readonly minioImage: string,
    private readonly containerd: string,
    private readonly processes: Launched[],
  ) {}

  /** @throws Error when it does not become Ready; the logs stand in the cluster's folder. */
  static async start(): Promise<RealNode> {
    // Before anything runs: where the images were not built there is nothing to end.
    const [image, pause, minio, services] = await Promise.all(
      ARCHIVES.map(async (name) => (await readFile(join(IMAGES, `${name}.tar.of`), 'utf8')).trim()),
    );
    const cluster = await Cluster.start({ nodes: [], address: NODE_ADDRESS });
    const folder = join(cluster.folder, 'node');
    const socket = join(folder, 'containerd.sock');
    const node = new RealNode(cluster, image!, minio!, socket, []);
    const run = (name: string, program: string, args: string[]) =>
      node.processes.push(launch(program, args, join(cluster.folder, `${name}.log`)));
    try {
      await mkdir(join(folder, 'cni'), { recursive: true });
      await writeFile(join(folder, 'cni/10-pods.conflist'), JSON.stringify(podNetwork(folder)));
      await writeFile(join(folder, 'containerd.toml'), containerd(folder, pause!));
      await writeFile(join(folder, 'kubelet.yaml'), JSON.stringify(kubelet(folder)));
      run('containerd', 'containerd', ['--config', join(folder, 'containerd.toml')]);
      await until('containerd', () => node.ctr('version').catch(() => undefined), 60_000);
      for (const name of ARCHIVES) await node.ctr('images', 'import', join(IMAGES, `${name}.tar`));
      const { kubeconfig } = cluster;
      run('kube-proxy', HYPERKUBE, [
        'kube-proxy',
        `--kubeconfig=${kubeconfig}`,
        `--hostname-override=${NAME}`,
        '--proxy-mode=iptables',
        // The machine's own settings of its connection tables are not this node's.
        '--conntrack-max-per-core=0',
        '--conntrack-tcp-timeout-established=0',
        '--conntrack-tcp-timeout-close-wait=0',
        '--nodeport-addresses=127.0.0.0/8',
      ]);
      await execa('iptables', ['--table=mangle', ...QUEUE_NEW_CONNECTIONS]);
      run('kubelet', HYPERKUBE, [
        'kubelet',
        `--config=${join(folder, 'kubelet.yaml')}`,
        `--kubeconfig=${kubeconfig}`,
        `--root-dir=${join(folder, 'kubelet')}`,
        `--hostname-override=${NAME}`,
        `--node-ip=${NODE_ADDRESS}`,
      ]);
      await until('the node', () => cluster.kubectl(['get', 'node', NAME]).catch(() => undefined), 120_000);
      await cluster.kubectl(['wait', '--for=condition=Ready', `node/${NAME}`, '--timeout=120s']);
      await cluster.apply(...kubeSystem(services!, DNS_ADDRESS));
      for (const each of ['deployment/coredns', 'daemonset/network-policies'])
        await cluster.kubectl(['rollout', 'status', each, '--namespace=kube-system', '--timeout=240s']);
      return node;
    } catch (error) {
      await node.stop({ keepFolder: true });
      throw new Error(`no node; its logs stand in ${cluster.folder}`, { cause: error });
    }
  }

  /** SIGKILL for a pod's first container, past the kubelet; resolves when the kubelet has seen that. */
  async killContainer({ metadata: { name, namespace }, status }: Manifest): Promise<void> {
    const container: string | undefined = status.containerStatuses?.[0]?.containerID;
    if (!container) return;
    const id = container.replace('containerd://', '');
    // It may be gone already.
    await this.ctr('tasks', 'kill', '--signal', 'SIGKILL', '--all', id).catch(() => undefined);
    await until(`the end of a container of ${name}`, async () => {
      const fields = [`--field-selector=metadata.name=${name}`, '--namespace', namespace];
      const [pod] = await this.cluster.list('pods', fields);
      const state = pod?.status.containerStatuses?.[0];
      return !(state?.containerID === container && state.ready) || undefined;
    });
  }

  /** Ends the cluster too. Pods go first, while there is a kubelet to unmount what is theirs. */
  async stop(options: { keepFolder?: boolean } = {}): Promise<void> {
    const kinds = 'daemonsets,deployments,statefulsets,jobs,pods';
    await this.cluster
      .kubectl(['delete', kinds, '--all', '--all-namespaces', '--timeout=120s'])
      .catch(() => undefined);
    await endAll(this.processes);
    await this.cluster.stop(options);
  }

  private ctr(...args: string[]) {
    return execa('ctr', ['--address', this.containerd, '--namespace', 'k8s.io', ...args]);
  }
}

/** Between pods only: the kubelet's probes and callers on the node are not asked. */
const QUEUE_NEW_CONNECTIONS = [
  ...['--append', 'FORWARD', '--source', PODS, '--destination', PODS],
  ...['--match', 'conntrack', '--ctstate', 'NEW', '--jump', 'NFQUEUE', '--queue-num', '100'],
];

/** A link each to the node, so that what pods say to each other passes its rules. */
const podNetwork = (folder: string) => ({
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'ptp',
      ipMasq: false,
      ipam: {
        type: 'host-local',
        dataDir: join(folder, 'addresses'),
        ranges: [[{ subnet: PODS }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  ],
});

const containerd = (folder: string, pause: string) => `version = 2
root = "${folder}/containerd"
state = "${folder}/containerd-state"
[grpc]
  address = "${folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pause}"
  # Lowering a score needs a capability that test machines may lack.
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
`;

const kubelet = (folder: string) => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  failCgroupV1: false,
  cgroupDriver: 'cgroupfs',
  containerRuntimeEndpoint: `unix://${folder}/containerd.sock`,
  failSwapOn: false,
  address: NODE_ADDRESS,
  healthzBindAddress: '127.0.0.1',
  // Nobody else is in this network.
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  resolvConf: '',
  clusterDNS: [DNS_ADDRESS],
  clusterDomain: 'cluster.local',
  evictionHard: { 'nodefs.available': '1%', 'imagefs.available': '1%', 'memory.available': '100Mi' },
  imageGCHighThresholdPercent: 100,
  podLogsDir: join(folder, 'pod-logs'),
});
