import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BatchV1Api,
  type CoreV1Api,
  type KubeConfig,
  type KubernetesObject,
  ListWatch,
  type V1Job,
  type V1Pod,
  Watch,
} from '@kubernetes/client-node';
import { MedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';

/** The server ends a watch after so long: one that died without a word is noticed then. */
const WATCH_SECONDS = 240;
const PAGE = 500;
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];
const FIRST_SYNC_MS = 60_000;

class BoundedWatch extends Watch {
  override watch(...[path, query, ...rest]: Parameters<Watch['watch']>): ReturnType<Watch['watch']> {
    return super.watch(path, { ...query, timeoutSeconds: WATCH_SECONDS, allowWatchBookmarks: true }, ...rest);
  }
}

export interface MirrorOptions {
  config: KubeConfig;
  batch: BatchV1Api;
  core: CoreV1Api;
  namespace: string;
  selector: string;
  /** Told the name of a job when it or one of its pods changed. */
  onChange(job: string): void;
}

/** The jobs of a namespace and their pods as the API server has them, kept up to date by watches. */
export class JobMirror {
  readonly jobs = new Map<string, V1Job>();
  private readonly podsOfJobs = new Map<string, Map<string, V1Pod>>();
  private readonly informers: (ListWatch<V1Job> | ListWatch<V1Pod>)[];
  private readonly stopping = new AbortController();
  /** Since when which watch has failed. */
  private readonly failing = new Map<string, { since: number; why: unknown }>();

  constructor(
    private readonly options: MirrorOptions,
    private readonly logger: Logger,
  ) {
    const { batch, core, namespace, selector: labelSelector } = options;
    const jobs = this.informer<V1Job>(`/apis/batch/v1/namespaces/${namespace}/jobs`, (_continue) =>
      batch.listNamespacedJob({ namespace, labelSelector, limit: PAGE, ...(_continue ? { _continue } : {}) }),
    );
    const pods = this.informer<V1Pod>(`/api/v1/namespaces/${namespace}/pods`, (_continue) =>
      core.listNamespacedPod({ namespace, labelSelector, limit: PAGE, ...(_continue ? { _continue } : {}) }),
    );
    for (const change of ['add', 'update'] as const) {
      jobs.on(change, (job) => this.putJob(job));
      pods.on(change, (pod) => this.putPod(pod));
    }
    jobs.on('delete', (job) => {
      this.jobs.delete(nameOf(job));
      options.onChange(nameOf(job));
    });
    pods.on('delete', (pod) => {
      const job = jobOf(pod);
      if (job === undefined) return;
      const known = this.podsOfJobs.get(job);
      known?.delete(nameOf(pod));
      if (known?.size === 0) this.podsOfJobs.delete(job);
      options.onChange(job);
    });
    this.informers = [jobs, pods];
  }

  /** Resolves when everything that is there is known. @throws MedformerError UNAVAILABLE when that takes a minute */
  async start(): Promise<void> {
    const late = sleep(FIRST_SYNC_MS, undefined, { ref: false, signal: this.stopping.signal }).then(() => {
      throw new MedformerError('UNAVAILABLE', 'the Kubernetes API does not answer', {
        cause: [...this.failing.values()][0]?.why,
      });
    });
    late.catch(() => undefined);
    await Promise.race([Promise.all(this.informers.map((each) => this.sync(each))), late]);
  }

  pods(job: string): V1Pod[] {
    return [...(this.podsOfJobs.get(job)?.values() ?? [])];
  }

  /** What a call has just answered, ahead of the watch. */
  putJob(job: V1Job): void {
    slim(job);
    const known = this.jobs.get(nameOf(job));
    if (known && versionOf(known) > versionOf(job)) return;
    this.jobs.set(nameOf(job), job);
    this.options.onChange(nameOf(job));
  }

  private putPod(pod: V1Pod): void {
    const job = jobOf(pod);
    if (job === undefined) return;
    slim(pod);
    const known = this.podsOfJobs.get(job) ?? new Map<string, V1Pod>();
    known.set(nameOf(pod), pod);
    this.podsOfJobs.set(job, known);
    this.options.onChange(job);
  }

  /** @throws MedformerError UNAVAILABLE while a watch has failed for longer than a retry takes */
  check(): void {
    for (const { since, why } of this.failing.values())
      if (Date.now() - since >= FIRST_SYNC_MS)
        throw new MedformerError('UNAVAILABLE', 'the Kubernetes API does not answer', { cause: why });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    for (const informer of this.informers) await informer.stop();
  }

  private informer<Item extends V1Job | V1Pod>(
    path: string,
    page: (next: string | undefined) => Promise<{ items: Item[]; metadata?: { _continue?: string } }>,
  ): ListWatch<Item> {
    const list = async () => {
      const all: Item[] = [];
      let answer = await page(undefined);
      for (;;) {
        for (const item of answer.items) all.push(slim(item));
        const next = answer.metadata?._continue;
        if (!next) break;
        answer = await page(next);
      }
      return { ...answer, items: all };
    };
    return new ListWatch<Item>(
      path,
      new BoundedWatch(this.options.config),
      list as never,
      false,
      this.options.selector,
    );
  }

  /** Until the first list is there; from then on the informer starts again by itself, or here after an error. */
  private sync(informer: ListWatch<V1Job> | ListWatch<V1Pod>): Promise<void> {
    const path = informer === this.informers[0] ? 'jobs' : 'pods';
    let failed = 0;
    return new Promise((resolve) => {
      const start = async () => {
        const before = failed;
        await informer.start();
        if (failed !== before) return;
        failed = 0;
        this.failing.delete(path);
        resolve();
      };
      informer.on('error', (why) => {
        if (!this.failing.has(path)) this.failing.set(path, { since: Date.now(), why });
        const pause = RETRY_MS[Math.min(failed, RETRY_MS.length - 1)]!;
        failed += 1;
        this.logger.warn({ err: why, path }, 'a watch of the Kubernetes API failed and is tried again');
        sleep(pause, undefined, { ref: false, signal: this.stopping.signal })
          .then(start)
          .catch(() => undefined);
      });
      void start();
    });
  }
}

/** Ten thousand jobs fit: of an object stays what its status needs. */
function slim<Item extends V1Job | V1Pod>(item: Item): Item {
  if (item.metadata) delete item.metadata.managedFields;
  const spec = item.spec as Partial<Record<string, unknown>> | undefined;
  for (const key of Object.keys(spec ?? {}))
    if (!['suspend', 'completions', 'parallelism', 'nodeName'].includes(key)) delete spec![key];
  return item;
}

const nameOf = ({ metadata }: KubernetesObject) => metadata?.name ?? '';
const jobOf = ({ metadata }: V1Pod) => metadata?.labels?.['batch.kubernetes.io/job-name'];
/** Opaque by contract; in one API server it grows, and only that nothing newer is overwritten hangs on it. */
const versionOf = ({ metadata }: V1Job) => Number(metadata?.resourceVersion ?? 0);
