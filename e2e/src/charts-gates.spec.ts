import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CHART,
  EXAMPLES,
  exampleFile,
  HELM,
  jobsIn,
  type Manifest,
  NEEDED,
  ofKind,
  podsOf,
  refusal,
  render,
  renderText,
} from './harness/chart.js';
import { violationsOf } from './harness/pod-security.js';
import { ROOT } from './harness/services.js';

const ALL: readonly (string | undefined)[] = [undefined, ...EXAMPLES];
const valuesOver = (example: string | undefined) => (example ? {} : NEEDED);

/** Kinds whose schemas Kubernetes does not carry; the cluster tests bring their definitions. */
const CUSTOM = /^(cert-manager\.io|monitoring\.coreos\.com|keda\.sh)\//;

describe('the chart', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-charts-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(EXAMPLES)('passes helm lint --strict with the example %s', async (example) => {
    const { stdout } = await execa(HELM, ['lint', '--strict', CHART, '--values', exampleFile(example)]);
    expect(stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
  });

  it('makes only objects that the Kubernetes schemas allow, in every example', async () => {
    const files: string[] = [];
    let objects = 0;
    for (const example of ALL) {
      const rendered = await render(valuesOver(example), example);
      const core = [...rendered, ...ofKind(rendered, 'ConfigMap').flatMap(jobsIn)]
        .filter(({ apiVersion }) => !CUSTOM.test(apiVersion))
        .map((manifest) => JSON.stringify(manifest));
      const file = join(folder, `${example ?? 'defaults'}.yaml`);
      await writeFile(file, core.join('\n---\n'));
      files.push(file);
      objects += core.length;
    }
    const validate = join(ROOT, '.cache/kubernetes-validate/bin/kubernetes-validate');
    const { stdout } = await execa(validate, ['--strict', '--kubernetes-version', '1.35', ...files], {
      reject: false,
    });
    const lines = stdout.split('\n').filter((line) => line !== '');
    expect(lines.filter((line) => !line.startsWith('INFO'))).toEqual([]);
    expect(lines).toHaveLength(objects);
  });

  it.each(ALL)(
    'makes only pods that the restricted Pod Security Standard admits, with %s',
    async (example) => {
      const pods = podsOf(await render(valuesOver(example), example));
      expect(pods.length).toBeGreaterThanOrEqual(6);
      expect(
        pods.flatMap(({ owner, spec }) => violationsOf(spec).map((control) => `${owner}: ${control}`)),
      ).toEqual([]);
    },
  );

  it('renders by default what it rendered when someone last looked', async () => {
    await expect(`${await renderText(NEEDED)}\n`).toMatchFileSnapshot('snapshots/chart-defaults.yaml');
  });

  it.each([
    [{ encoder: { replica: 2 } }, 'replica'],
    [{ encoders: {} }, 'encoders'],
    [{ trainer: { jobs: { gpu: { counts: 1 } } } }, 'counts'],
    [{ defaults: { enable: true } }, 'enable'],
    [{ tls: { source: 'cert-manager' } }, '/tls/source'],
    [{ image: { digest: 'latest' } }, '/image/digest'],
    [{ encoder: { replicas: 'two' } }, '/encoder/replicas'],
    [{ objectStore: { url: 's3://bucket' } }, '/objectStore/url'],
    [{ networkPolicy: { peers: { clients: [] } } }, '/networkPolicy/peers/clients'],
  ])('refuses %j by the schema', async (values, named) => {
    expect(await refusal({ ...NEEDED, ...values })).toContain(named);
  });
});

describe('the check of the Pod Security Standard', () => {
  const allowed: Manifest = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'main',
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      },
    ],
  };

  it('admits what the standard allows', () => {
    expect(violationsOf(allowed)).toEqual([]);
  });

  it.each<[string, (pod: Manifest) => void]>([
    ['hostNetwork', (pod) => (pod.hostNetwork = true)],
    ['hostPID', (pod) => (pod.hostPID = true)],
    ['runAsNonRoot', (pod) => delete pod.securityContext.runAsNonRoot],
    ['runAsUser', (pod) => (pod.securityContext.runAsUser = 0)],
    ['seccomp', (pod) => (pod.securityContext.seccompProfile.type = 'Unconfined')],
    ['volume types', (pod) => (pod.volumes = [{ name: 'host', hostPath: { path: '/' } }])],
    ['sysctls', (pod) => (pod.securityContext.sysctls = [{ name: 'kernel.msgmax', value: '1' }])],
    ['main: privileged', (pod) => (pod.containers[0].securityContext.privileged = true)],
    ['main: capabilities dropped', (pod) => delete pod.containers[0].securityContext.capabilities],
    [
      'main: capabilities added',
      (pod) => (pod.containers[0].securityContext.capabilities.add = ['SYS_ADMIN']),
    ],
    ['main: hostPort', (pod) => (pod.containers[0].ports = [{ containerPort: 80, hostPort: 80 }])],
    [
      'main: allowPrivilegeEscalation',
      (pod) => delete pod.containers[0].securityContext.allowPrivilegeEscalation,
    ],
    ['main: seccomp', (pod) => (pod.containers[0].securityContext.seccompProfile = { type: 'Unconfined' })],
    ['main: procMount', (pod) => (pod.containers[0].securityContext.procMount = 'Unmasked')],
    ['SELinux', (pod) => (pod.securityContext.seLinuxOptions = { type: 'spc_t' })],
    [
      'main: livenessProbe host',
      (pod) => (pod.containers[0].livenessProbe = { httpGet: { host: '1.2.3.4' } }),
    ],
    ['main: root file system', (pod) => delete pod.containers[0].securityContext.readOnlyRootFilesystem],
  ])('finds %s', (control, breakIt) => {
    const pod = structuredClone(allowed);
    breakIt(pod);
    expect(violationsOf(pod)).toContain(control);
  });
});
