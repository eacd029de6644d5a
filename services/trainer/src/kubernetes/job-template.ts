import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadYaml, type V1EnvVar, type V1Job, type V1NetworkPolicy } from '@kubernetes/client-node';
import { badInput } from '@medformer/schema';

/** On a job and its pods: the first 32 digits of the run's id, for a label takes 63 characters. */
export const RUN_LABEL = 'medformer.io/run';
/** On a job: the run's whole id. */
export const RUN_ANNOTATION = 'medformer.io/run';
/** On a job that SuspendRun suspended: `true`. */
export const SUSPENDED_ANNOTATION = 'medformer.io/suspended';
export const QUEUE_LABEL = 'kueue.x-k8s.io/queue-name';
/** The container that trains. */
export const CONTAINER = 'train';

const JOB_NAME_LABEL = 'batch.kubernetes.io/job-name';
/** Time that a stopping pod has beside its last step and checkpoint. */
const LEAVING_MS = 5000;

export interface JobShape {
  /** Pods of a job; default: the template's. */
  workers?: number;
  /** Of each pod; default: the template's. */
  gpus?: number;
}

/** One name a run, so that two services that make its job at once make one. */
export const jobNameOf = (run: string): string => `run-${run.slice(0, 32)}`;

/** Jobs out of the template that the chart writes: all but the run is the template's. docs/training-jobs.md has the contract. */
export class JobTemplate {
  private constructor(
    private readonly job: V1Job,
    private readonly policy: V1NetworkPolicy | undefined,
    private readonly shape: JobShape,
  ) {}

  /**
   * @param folder with `job.yaml` and, where policies are enforced, `network-policy.yaml`; or the job's file itself
   * @throws MedformerError INVALID_ARGUMENT naming what the template lacks
   */
  static read(file: string, shape: JobShape = {}): JobTemplate {
    const job = readManifest<V1Job>(file);
    const refuse = (field: string, expected: string, found: unknown) =>
      badInput({ file, field, expected, found: String(found) });
    if (job?.kind !== 'Job') throw refuse('kind', 'Job', job?.kind);
    const containers = job.spec?.template.spec?.containers ?? [];
    if (!containers.some(({ name }) => name === CONTAINER))
      throw refuse(
        'spec.template.spec.containers',
        `one named ${CONTAINER}`,
        containers.map(({ name }) => name),
      );
    const policy = readManifest<V1NetworkPolicy>(join(file, '..', 'network-policy.yaml'));
    return new JobTemplate(job, policy, shape);
  }

  get namespace(): string | undefined {
    return this.job.metadata?.namespace;
  }

  /** What selects the jobs of this release, in a namespace with several. */
  get selector(): string {
    const instance = this.job.metadata?.labels?.['app.kubernetes.io/instance'];
    return instance === undefined ? RUN_LABEL : `${RUN_LABEL},app.kubernetes.io/instance=${instance}`;
  }

  /** @param workers pods of the job; default: as the service or the template says */
  jobOf(run: string, workers = this.shape.workers ?? this.job.spec?.completions ?? 1): V1Job {
    const job = structuredClone(this.job);
    const name = jobNameOf(run);
    const label = { [RUN_LABEL]: run.slice(0, 32) };
    const annotation = { [RUN_ANNOTATION]: run };
    job.metadata = {
      ...job.metadata,
      name,
      labels: { ...job.metadata?.labels, ...label },
      annotations: { ...job.metadata?.annotations, ...annotation },
    };
    const spec = job.spec!;
    spec.completions = workers;
    spec.parallelism = workers;
    const { metadata } = spec.template;
    spec.template.metadata = {
      ...metadata,
      labels: { ...metadata?.labels, ...label },
      annotations: { ...metadata?.annotations, ...annotation },
    };
    const pod = spec.template.spec!;
    const graceMs = (pod.terminationGracePeriodSeconds ?? 30) * 1000 - LEAVING_MS;
    const container = pod.containers.find((each) => each.name === CONTAINER)!;
    const port = container.ports?.find((each) => each.name === 'collective')?.containerPort;
    const own: V1EnvVar[] = [
      { name: 'MEDFORMER_RUN', value: run },
      { name: 'MEDFORMER_GRACE_MS', value: String(Math.max(1000, graceMs)) },
      {
        name: 'MEDFORMER_TERMINATION_LOG',
        value: container.terminationMessagePath ?? '/dev/termination-log',
      },
      ...(workers > 1
        ? [{ name: 'MEDFORMER_PEERS', value: peersOf(name, pod.subdomain, port, workers) }]
        : []),
    ];
    const owned = new Set(own.map((variable) => variable.name));
    container.env = [...(container.env ?? []).filter((each) => !owned.has(each.name)), ...own];
    const { gpus } = this.shape;
    const device = Object.keys(container.resources?.limits ?? {}).find((each) =>
      each.startsWith('nvidia.com/'),
    );
    if (gpus !== undefined)
      container.resources = {
        ...container.resources,
        limits: { ...container.resources?.limits, [device ?? 'nvidia.com/gpu']: String(gpus) },
      };
    return job;
  }

  /** Keeps the job's pods to themselves; goes with the job. Undefined where the template has none. */
  policyOf(job: V1Job): V1NetworkPolicy | undefined {
    if (!this.policy) return undefined;
    const policy = structuredClone(this.policy);
    const { name, uid } = { name: job.metadata!.name!, uid: job.metadata!.uid! };
    // Not the job's name: an earlier job's policy may be there until it is collected.
    policy.metadata = {
      ...policy.metadata,
      name: `${name}-${uid.slice(0, 8)}`,
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }],
    };
    fillIn(policy, JOB_NAME_LABEL, name);
    return policy;
  }
}

/** Pods of an Indexed Job find each other by JOB-INDEX.SUBDOMAIN. */
function peersOf(
  job: string,
  subdomain: string | undefined,
  port: number | undefined,
  workers: number,
): string {
  const host = (index: number) => [`${job}-${index}`, ...(subdomain ? [subdomain] : [])].join('.');
  return Array.from({ length: workers }, (_, index) => `${host(index)}:${port ?? 2222}`).join(',');
}

/** Sets every label of this name, wherever the manifest has it. */
function fillIn(node: unknown, label: string, value: string): void {
  if (typeof node !== 'object' || node === null) return;
  for (const [key, inside] of Object.entries(node)) {
    if (key === label) (node as Record<string, unknown>)[key] = value;
    else fillIn(inside, label, value);
  }
}

/** In the client's own names: it calls a policy's `from` `_from` and sends nothing of a `from`, which lets everyone in. */
function readManifest<Manifest>(file: string): Manifest | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return loadYaml<Manifest>(text);
  } catch (cause) {
    const found = (cause as Error).message.split('\n')[0]!;
    throw badInput({ file, field: 'contents', expected: 'YAML', found }, { cause });
  }
}
