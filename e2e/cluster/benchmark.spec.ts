import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NAMESPACE } from '../src/harness/chart.js';
import { medformerJson, medformerProcess } from '../src/harness/medformer.js';
import { makeSets, smallBenchmark } from '../src/harness/medmnist.js';
import { type Services, startStandalone } from '../src/harness/services.js';
import { until } from '../src/harness/until.js';
import { Cluster } from './harness/cluster.js';
import { PodProcesses } from './harness/pod-processes.js';
import { TrainerInstallation } from './harness/trainer-installation.js';

const TIME = 900_000;
const NODES = ['gpu-0', 'gpu-1', 'gpu-2'];

let cluster: Cluster;
let pods: PodProcesses;
let installed: TrainerInstallation;
let services: Services;
let env: Record<string, string>;

beforeAll(async () => {
  const labels = { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' };
  cluster = await Cluster.start({
    // A job takes all GPUs of a node.
    nodes: NODES.map((name) => ({ name, labels, devices: { 'nvidia.com/gpu': 8 } })),
  });
  installed = await TrainerInstallation.make(cluster);
  pods = await PodProcesses.start(cluster, NAMESPACE, {
    MEDFORMER_STORE: installed.storeUrl,
    MEDFORMER_DATA: installed.folder,
    MEDFORMER_HOST: '127.0.0.1',
    MEDFORMER_METRICS_PORT: '0',
    MEDFORMER_TRAINER_THREADS: '1',
  });
  const { port } = await installed.control();
  // Ingestion and evaluation on the same store; what trains are the cluster's jobs.
  services = await startStandalone(join(installed.folder, 'data'));
  env = { ...services.env, MEDFORMER_TRAINER_ADDRESS: `127.0.0.1:${port}` };
  await makeSets(installed.folder, ['retinamnist', 'adrenalmnist3d']);
}, TIME);
afterAll(async () => {
  await services?.stop();
  await installed?.stop();
  await pods?.stop();
  await cluster?.stop();
}, TIME);

describe('medformer benchmark medmnist', () => {
  it(
    'trains its runs side by side as jobs on GPU nodes; killed it goes on, and trains nothing twice',
    async () => {
      const chosen = ['--sets', 'retinamnist,adrenalmnist3d', '--set', 'regimes=[st, mt, ssl-mt]'];
      const command = smallBenchmark(installed.folder, ...chosen, '--allow-md5-mismatch');
      const first = medformerProcess(env, ...command);
      const busy = await until(
        'jobs side by side',
        async () => {
          const all = await cluster.list('pods', ['--namespace', NAMESPACE]);
          const running = all.filter(({ status }) => status.phase === 'Running');
          return running.length >= 3 ? running.map(({ spec }) => spec.nodeName) : undefined;
        },
        TIME,
      );
      expect(busy.sort()).toEqual(NODES);
      first.kill('SIGKILL');
      await first;
      const { sets, failures } = await medformerJson(env, ...command);

      expect(failures).toEqual([]);
      for (const { rows } of sets) {
        expect(rows.map(({ label }: { label: string }) => label)).toEqual(['ST', 'MT', 'SSL, then MT']);
        for (const { auc } of rows) expect(auc.mean).toBeGreaterThan(0);
      }
      const runs: { state: string }[] = await medformerJson(env, 'runs', 'ls');
      // Each set's own, and on both together one without labels and two with them.
      expect(runs.map(({ state }) => state)).toEqual(new Array(5).fill('succeeded'));
      expect([...pods.exits.values()]).toEqual(new Array(5).fill(0));
      expect((await medformerJson(env, ...command, '--parallel', '1')).sets).toEqual(sets);
      expect(pods.exits.size).toBe(5);
    },
    TIME,
  );
});
