import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { ROOT } from '../../src/harness/services.js';
import { until } from '../../src/harness/until.js';
import { type Cluster, HYPERKUBE, type Launched, launch } from './cluster.js';

const IMAGES = join(ROOT, '.cache/images');
/** What tools/cluster/node/inside.sh gave this network. */
const NODE_ADDRESS = '10.10.0.2';
const DNS_ADDRESS = '10.96.0.10';
const NAME = 'real-0';

/** Whether this process is where a kubelet can run: `tools/cluster/node/enter.sh`. */
export const inNodeNamespaces = process.env.MEDFORMER_NODE_NAMESPACES === '1';

/** A node whose pods are containers: kubelet, containerd, runc, pods on a bridge, Services by kube-proxy. */
export class RealNode {
  readonly name = NAME;

  private constructor(
    readonly image: string,
    readonly minioImage: string,
    private readonly folder: string,
    private readonly processes: Launched[],
  ) {}

  /** @throws Error when it does not become Ready; the logs stand in the cluster's folder. */
  static async start(cluster: Cluster): Promise<RealNode> {
    const folder = join(cluster.folder, 'node');
    const socket = join(folder, 'containerd.sock');
    const [image, pause, minio] = await Promise.all(
      ['image-cpu', 'pause', 'minio'].map(async (name) =>
        (await readFile(join(IMAGES, `${name}.tar.of`), 'utf8')).trim(),
      ),
    );
    await mkdir(join(folder, 'cni'), { recursive: true });
    await mkdir(join(folder, 'hosts'));
    await writeFile(join(folder, 'cni/10-bridge.conflist'), JSON.stringify(bridge(folder)));
    await writeFile(join(folder, 'containerd.toml'), containerd(folder, pause!));
    await writeFile(join(folder, 'kubelet.yaml'), JSON.stringify(kubelet(folder)));
    const node = new RealNode(image!, minio!, folder, []);
    const run = (name: string, program: string, args: string[]) =>
      node.processes.push(launch(program, args, join(cluster.folder, `${name}.log`)));
    try {
      run('containerd', 'containerd', ['--config', join(folder, 'containerd.toml')]);
      const ctr = (...args: string[]) =>
        execa('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args]);
      await until('containerd', () => ctr('version').catch(() => undefined), 60_000);
      for (const name of ['pause', 'minio', 'image-cpu'])
        await ctr('images', 'import', join(IMAGES, `${name}.tar`));
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
      run('dnsmasq', 'dnsmasq', [
        '--no-daemon',
        '--conf-file=/dev/null',
        '--user=root',
        '--no-resolv',
        '--no-hosts',
        '--bind-interfaces',
        `--listen-address=${DNS_ADDRESS}`,
        `--hostsdir=${join(folder, 'hosts')}`,
        '--local=/cluster.local/',
        '--pid-file=',
      ]);
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
      return node;
    } catch (error) {
      await node.stop();
      throw new Error(`no node; its logs stand in ${cluster.folder}`, { cause: error });
    }
  }

  /** Gives the namespace's Services of now their names in the cluster; returns their addresses. */
  async nameServices(cluster: Cluster, namespace: string): Promise<Map<string, string>> {
    const services = await cluster.list('services', ['--namespace', namespace]);
    const addresses = new Map<string, string>(
      services
        .filter(({ spec }) => spec.clusterIP !== 'None')
        .map(({ metadata, spec }) => [metadata.name, spec.clusterIP]),
    );
    const lines = [...addresses].map(
      ([name, address]) => `${address} ${name}.${namespace}.svc.cluster.local`,
    );
    await writeFile(join(this.folder, 'hosts', namespace), `${lines.join('\n')}\n`);
    return addresses;
  }

  /** Its containers end with the namespaces' cgroup; delete the pods first to have them end in order. */
  async stop(): Promise<void> {
    for (const started of this.processes.splice(0).reverse()) {
      started.kill('SIGTERM');
      const killed = setTimeout(() => started.kill('SIGKILL'), 10_000);
      await started;
      clearTimeout(killed);
    }
  }
}

const bridge = (folder: string) => ({
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'pods0',
      isGateway: true,
      ipMasq: false,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        dataDir: join(folder, 'addresses'),
        ranges: [[{ subnet: '10.244.0.0/24' }]],
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
