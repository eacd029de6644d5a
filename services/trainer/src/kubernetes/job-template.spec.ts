import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dumpYaml } from '@kubernetes/client-node';
import { sha256 } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { JobTemplate, jobNameOf } from './job-template.js';

const JOB = `
apiVersion: batch/v1
kind: Job
metadata:
  namespace: medformer
  labels: {app.kubernetes.io/instance: release}
spec:
  completions: 1
  parallelism: 1
  template:
    metadata: {labels: {app: trainer-job}}
    spec:
      subdomain: jobs
      terminationGracePeriodSeconds: 120
      containers:
        - name: train
          ports: [{name: collective, containerPort: 2222}]
          env: [{name: MEDFORMER_STORE, value: "s3://bucket"}]
          resources: {limits: {nvidia.com/gpu: 1, memory: 1Gi}}
`;
const POLICY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
spec:
  podSelector: {matchLabels: &job {batch.kubernetes.io/job-name: ""}}
  ingress: [{from: [{podSelector: {matchLabels: *job}}]}]
`;

const run = sha256('run');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'job-template-'));
  await writeFile(join(folder, 'job.yaml'), JOB);
});
afterEach(() => rm(folder, { recursive: true }));
const read = (shape = {}) => JobTemplate.read(join(folder, 'job.yaml'), shape);

describe('a job template', () => {
  it('gives each run one job, named and labelled by the run, with what its process needs', () => {
    const template = read();
    const job = template.jobOf(run);
    const [container] = job.spec!.template.spec!.containers;

    expect(template.selector).toBe('medformer.io/run,app.kubernetes.io/instance=release');
    expect(job).toEqual(template.jobOf(run));
    expect(job.metadata).toEqual({
      namespace: 'medformer',
      name: `run-${run.slice(0, 32)}`,
      labels: { 'app.kubernetes.io/instance': 'release', 'medformer.io/run': run.slice(0, 32) },
      annotations: { 'medformer.io/run': run },
    });
    expect(job.spec!.template.metadata!.labels).toEqual({
      app: 'trainer-job',
      'medformer.io/run': run.slice(0, 32),
    });
    expect(container!.env).toEqual([
      { name: 'MEDFORMER_STORE', value: 's3://bucket' },
      { name: 'MEDFORMER_RUN', value: run },
      // A checkpoint has to be written before the kubelet kills.
      { name: 'MEDFORMER_GRACE_MS', value: '115000' },
      { name: 'MEDFORMER_TERMINATION_LOG', value: '/dev/termination-log' },
    ]);
  });

  it('of several workers tells each where the others are, and takes as many GPUs as it is told', () => {
    const job = read({ workers: 2, gpus: 4 }).jobOf(run);
    const [container] = job.spec!.template.spec!.containers;
    const name = jobNameOf(run);

    expect(job.spec).toMatchObject({ completions: 2, parallelism: 2 });
    expect(container!.env).toContainEqual({
      name: 'MEDFORMER_PEERS',
      value: `${name}-0.jobs:2222,${name}-1.jobs:2222`,
    });
    expect(container!.resources!.limits).toEqual({ 'nvidia.com/gpu': '4', memory: '1Gi' });
  });

  it('keeps a job’s pods to themselves by a policy that goes with it', async () => {
    const job = { ...read().jobOf(run) };
    expect(read().policyOf(job)).toBeUndefined();
    await writeFile(join(folder, 'network-policy.yaml'), POLICY);
    job.metadata = { ...job.metadata, uid: '01234567-89ab' };
    const name = jobNameOf(run);
    const selected = { matchLabels: { 'batch.kubernetes.io/job-name': name } };

    // As the client sends it.
    expect(parse(dumpYaml(read().policyOf(job)!))).toEqual({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {
        name: `${name}-01234567`,
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid: '01234567-89ab' }],
      },
      spec: { podSelector: selected, ingress: [{ from: [{ podSelector: selected }] }] },
    });
  });

  it('that is none is refused by name', async () => {
    const file = join(folder, 'job.yaml');
    await writeFile(file, 'kind: Pod');
    expect(() => read()).toThrow(`${file}: kind: expected Job, found Pod`);
    await writeFile(file, JOB.replace('name: train', 'name: main'));
    expect(() => read()).toThrow('spec.template.spec.containers: expected one named train, found main');
    await writeFile(file, 'kind: [');
    expect(() => read()).toThrow(/contents: expected YAML, found/);
    expect(() => JobTemplate.read(join(folder, 'none.yaml'))).toThrow('kind: expected Job, found undefined');
  });
});
