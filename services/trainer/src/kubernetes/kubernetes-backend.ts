import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApiException,
  BatchV1Api,
  CoreV1Api,
  type KubeConfig,
  Log,
  NetworkingV1Api,
  PatchStrategy,
  setHeaderOptions,
  type V1Job,
  type V1Pod,
} from '@kubernetes/client-node';
import { endRunProgress } from '@medformer/checkpoint';
import type { Run } from '@medformer/gen/trainer';
import type { ObjectStore } from '@medformer/object-store';
import { MedformerError, type RunSpec } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import type { BackendStatus, LogOptions, TrainingBackend } from '../training-backend.js';
import { countRunsBy } from '../training-metrics.js';
import { JobMirror } from './job-mirror.js';
import { isOver, statusOf } from './job-status.js';
import {
  CONTAINER,
  type JobTemplate,
  jobNameOf,
  QUEUE_LABEL,
  RUN_ANNOTATION,
  SUSPENDED_ANNOTATION,
} from './job-template.js';

export interface KubernetesBackendOptions {
  config: KubeConfig;
  namespace: string;
  template: JobTemplate;
}

/** How long a start waits for an earlier job of the run to go. */
const REPLACE_MS = 20_000;
const POLL_MS = 250;
const INDEX = 'batch.kubernetes.io/job-completion-index';

/**
 * Trains each run in a Job of its own. Nothing is kept here but a mirror of the cluster: several of these, or one after the
 * other, say and do the same.
 */
export class KubernetesBackend implements TrainingBackend {
  /** The cluster knows which pods there are. */
  readonly trustsHeartbeats = false;
  readonly runsAtOnce = undefined;
  private readonly batch: BatchV1Api;
  private readonly core: CoreV1Api;
  private readonly networking: NetworkingV1Api;
  private readonly mirror: JobMirror;
  private readonly waiting = new Map<string, Set<() => void>>();
  /** By uid: failed jobs whose end the store has heard of. */
  private readonly told = new Set<string>();

  constructor(
    private readonly store: ObjectStore,
    private readonly options: KubernetesBackendOptions,
    private readonly logger: Logger,
  ) {
    const { config, namespace, template } = options;
    this.batch = config.makeApiClient(BatchV1Api);
    this.core = config.makeApiClient(CoreV1Api);
    this.networking = config.makeApiClient(NetworkingV1Api);
    const { batch, core } = this;
    this.mirror = new JobMirror(
      {
        config,
        batch,
        core,
        namespace,
        selector: template.selector,
        onChange: (job) => this.changedJob(job),
      },
      logger,
    );
    countRunsBy(() => this.count());
  }

  /** Resolves when what is in the cluster is known. @throws MedformerError UNAVAILABLE */
  async begin(): Promise<void> {
    await this.mirror.start();
  }

  async start({ workers }: RunSpec, { run }: Run): Promise<void> {
    const { namespace, template } = this.options;
    const name = jobNameOf(run);
    const until = Date.now() + REPLACE_MS;
    for (;;) {
      const made = await this.created(() =>
        this.batch.createNamespacedJob({
          namespace,
          body: template.jobOf(run, workers),
          fieldValidation: 'Strict',
        }),
      );
      const job = made ?? (await this.found(name));
      if (!job) continue;
      this.mirror.putJob(job);
      if (made || (!isOver(job) && !job.metadata?.deletionTimestamp)) return this.makePolicy(job);
      // Only this one: another service may have replaced it meanwhile.
      if (!job.metadata?.deletionTimestamp) await this.delete(job);
      if (Date.now() > until)
        throw Object.assign(
          new MedformerError('UNAVAILABLE', `run ${run}: its job of before is still stopping`),
          {
            retryAfterMs: REPLACE_MS,
          },
        );
      await sleep(POLL_MS);
    }
  }

  async cancel(run: string): Promise<void> {
    const job = await this.found(jobNameOf(run));
    if (!job || isOver(job) || job.metadata?.deletionTimestamp) return;
    await this.delete(job);
    const left = await this.found(jobNameOf(run));
    if (left) this.mirror.putJob(left);
  }

  async suspend(run: string): Promise<void> {
    const job = await this.underWay(run);
    const queue = job.metadata?.labels?.[QUEUE_LABEL];
    if (queue)
      throw new MedformerError(
        'FAILED_PRECONDITION',
        `run ${run}: queue ${queue} of Kueue decides when its job is suspended; CancelRun stops it, StartRun queues it again`,
      );
    await this.patch(run, {
      spec: { suspend: true },
      metadata: { annotations: { [SUSPENDED_ANNOTATION]: 'true' } },
    });
  }

  async resume(run: string): Promise<void> {
    const job = await this.underWay(run);
    if (job.metadata?.annotations?.[SUSPENDED_ANNOTATION] !== 'true')
      throw new MedformerError('FAILED_PRECONDITION', `run ${run}: is not suspended`);
    await this.patch(run, {
      spec: { suspend: false },
      metadata: { annotations: { [SUSPENDED_ANNOTATION]: null } },
    });
  }

  status(run: string): BackendStatus | undefined {
    const name = jobNameOf(run);
    const job = this.mirror.jobs.get(name);
    return job && statusOf(job, this.mirror.pods(name));
  }

  live(): undefined {
    return undefined;
  }

  changed(run: string, signal: AbortSignal): Promise<void> {
    const name = jobNameOf(run);
    const waiting = this.waiting.get(name) ?? new Set();
    this.waiting.set(name, waiting);
    return new Promise<void>((resolve) => {
      waiting.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    }).finally(() => {
      if (this.waiting.get(name) === waiting && waiting.size === 0) this.waiting.delete(name);
    });
  }

  async *logs(run: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<string> {
    const name = jobNameOf(run);
    const podOf = () => newestPod(this.mirror.pods(name), options.rank);
    let pod = podOf();
    if (!pod) throw new MedformerError('NOT_FOUND', `run ${run}: has no pod whose log could be read`);
    for (;;) {
      yield* this.logOf(pod.metadata!.name!, options, signal);
      if (!options.follow) return;
      // A run that starts again goes on in another pod.
      const read: string = pod.metadata!.name!;
      for (pod = podOf(); !pod || pod.metadata!.name === read; pod = podOf()) {
        const status = this.status(run);
        if (!status || status.state === 'ended') return;
        await this.changed(run, signal);
        signal.throwIfAborted();
      }
    }
  }

  async ready(): Promise<void> {
    this.mirror.check();
  }

  /** Runs go on without this. */
  async stop(): Promise<void> {
    await this.mirror.stop();
  }

  private async *logOf(
    pod: string,
    { follow, tailLines }: LogOptions,
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    const stream = new PassThrough();
    const options = { follow, ...(tailLines > 0 ? { tailLines } : {}) };
    const reading = await asked(() =>
      new Log(this.options.config).log(this.options.namespace, pod, CONTAINER, stream, options),
    );
    const stop = () => reading.abort();
    signal.addEventListener('abort', stop, { once: true });
    try {
      let rest = '';
      for await (const chunk of stream) {
        const text = rest + String(chunk);
        const end = text.lastIndexOf('\n') + 1;
        rest = text.slice(end);
        if (end > 0) yield text.slice(0, end);
      }
      if (rest !== '') yield `${rest}\n`;
    } finally {
      signal.removeEventListener('abort', stop);
      reading.abort();
    }
  }

  private async makePolicy(job: V1Job): Promise<void> {
    const body = this.options.template.policyOf(job);
    if (!body) return;
    await this.created(() =>
      this.networking.createNamespacedNetworkPolicy({ namespace: this.options.namespace, body }),
    );
  }

  /** Undefined where it is there already. */
  private async created<Made>(make: () => Promise<Made>): Promise<Made | undefined> {
    return asked(make).catch((thrown) => {
      if (thrown instanceof MedformerError && thrown.code === 'ALREADY_EXISTS') return undefined;
      throw thrown;
    });
  }

  private async found(name: string): Promise<V1Job | undefined> {
    return gone(() => this.batch.readNamespacedJob({ name, namespace: this.options.namespace }));
  }

  /** Its pods first, which end with a checkpoint. */
  private async delete({ metadata }: V1Job): Promise<void> {
    const { name, uid } = metadata!;
    await gone(() =>
      this.batch.deleteNamespacedJob({
        name: name!,
        namespace: this.options.namespace,
        // In the body: beside one, the API server takes no heed of the query, and would leave the pods as orphans.
        body: { propagationPolicy: 'Foreground', preconditions: { uid: uid! } },
      }),
    );
  }

  private async patch(run: string, body: object): Promise<void> {
    const job = await asked(() =>
      this.batch.patchNamespacedJob(
        { name: jobNameOf(run), namespace: this.options.namespace, body },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      ),
    );
    this.mirror.putJob(job);
  }

  /** @throws MedformerError FAILED_PRECONDITION */
  private async underWay(run: string): Promise<V1Job> {
    const job = await this.found(jobNameOf(run));
    if (job && !isOver(job) && !job.metadata?.deletionTimestamp) return job;
    throw new MedformerError('FAILED_PRECONDITION', `run ${run}: is not under way`);
  }

  private changedJob(name: string): void {
    const waiting = this.waiting.get(name);
    this.waiting.delete(name);
    for (const resolve of waiting ?? []) resolve();
    const job = this.mirror.jobs.get(name);
    const run = job?.metadata?.annotations?.[RUN_ANNOTATION];
    if (!job || run === undefined || !isOver(job)) return;
    const { failure } = statusOf(job, this.mirror.pods(name));
    const { uid } = job.metadata!;
    if (!failure || this.told.has(uid!)) return;
    this.told.add(uid!);
    // The job goes after a while; that it failed stays.
    endRunProgress(this.store, run, { state: 'failed', failure }).catch((err) => {
      this.told.delete(uid!);
      this.logger.warn({ run, err }, 'the object store was not told that the run failed');
    });
  }

  private count(): Record<'queued' | 'running', number> {
    const count = { queued: 0, running: 0, ended: 0 };
    for (const [name, job] of this.mirror.jobs) count[statusOf(job, this.mirror.pods(name)).state] += 1;
    return { queued: count.queued, running: count.running };
  }
}

function newestPod(pods: readonly V1Pod[], rank: number): V1Pod | undefined {
  const created = ({ metadata }: V1Pod) => new Date(metadata?.creationTimestamp ?? 0).getTime();
  return pods
    .filter(({ metadata, status }) => {
      const index = metadata?.annotations?.[INDEX] ?? metadata?.labels?.[INDEX] ?? '0';
      return Number(index) === rank && status?.phase !== 'Pending';
    })
    .sort((x, y) => created(y) - created(x))[0];
}

/** Undefined for what is not there, or is another by now. */
async function gone<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  return asked(ask).catch((thrown) => {
    if (thrown instanceof MedformerError && (thrown.code === 'NOT_FOUND' || thrown.code === 'ABORTED'))
      return undefined;
    throw thrown;
  });
}

/** A call of the Kubernetes API with the project's errors. */
async function asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (cause) {
    throw apiError(cause);
  }
}

function apiError(cause: unknown): MedformerError {
  if (!(cause instanceof ApiException))
    return new MedformerError('UNAVAILABLE', 'the Kubernetes API does not answer', { cause });
  const said = messageOf(cause.body);
  const { code } = cause;
  if (code === 404) return new MedformerError('NOT_FOUND', `the Kubernetes API: ${said}`, { cause });
  if (code === 409) {
    const exists = reasonOf(cause.body) === 'AlreadyExists';
    return new MedformerError(exists ? 'ALREADY_EXISTS' : 'ABORTED', `the Kubernetes API: ${said}`, {
      cause,
    });
  }
  if (code === 429 || code >= 500)
    return new MedformerError('UNAVAILABLE', `the Kubernetes API: ${said}`, { cause });
  // Forbidden, or a template that is none: whoever installed this has to act.
  return new MedformerError('FAILED_PRECONDITION', `the Kubernetes API refuses: ${said}`, { cause });
}

const messageOf = (body: unknown): string =>
  String((statusIn(body) as { message?: unknown }).message ?? 'no reason');
const reasonOf = (body: unknown): unknown => (statusIn(body) as { reason?: unknown }).reason;

function statusIn(body: unknown): object {
  if (typeof body === 'object' && body !== null) return body;
  try {
    return Object(JSON.parse(String(body)));
  } catch {
    return {};
  }
}
