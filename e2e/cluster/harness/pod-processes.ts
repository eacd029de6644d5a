import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../src/harness/chart.js';
import { ROOT } from '../../src/harness/services.js';
import { until } from '../../src/harness/until.js';
import type { Cluster } from './cluster.js';

const FINALIZER = 'e2e.medformer.io/process';
const CONTAINER = 'train';

interface PodProcess {
  name: string;
  child: ChildProcess;
  /** Its group: the process and what it started. */
  signal(signal: NodeJS.Signals): void;
}

/**
 * Plays the kubelet for the pods of training jobs: what KWOK calls running runs here, as a process with the pod's command and
 * environment; it gets SIGTERM when its pod is deleted, and its exit is the container's.
 */
export class PodProcesses {
  readonly running = new Map<string, PodProcess>();
  /** Every pod that ever ran, with its exit code, once there is one. */
  readonly exits = new Map<string, number | string | undefined>();
  private readonly stopping = new AbortController();
  private readonly work: Promise<void>;

  private constructor(
    private readonly api: string,
    private readonly proxy: ChildProcess,
    private readonly folder: string,
    private readonly namespace: string,
    private readonly env: Record<string, string>,
  ) {
    this.work = this.reconcile();
  }

  /** @param env over the pods' own, e.g. a store that this machine has */
  static async start(
    cluster: Cluster,
    namespace: string,
    env: Record<string, string>,
  ): Promise<PodProcesses> {
    const { api, proxy } = await cluster.proxy();
    const folder = join(cluster.folder, 'pods');
    await mkdir(folder, { recursive: true });
    return new PodProcesses(api, proxy, folder, namespace, env);
  }

  log(pod: string): Promise<string> {
    return readFile(join(this.folder, `${pod}.log`), 'utf8');
  }

  async stop(): Promise<void> {
    for (const { signal } of this.running.values()) signal('SIGKILL');
    this.stopping.abort();
    await this.work;
    this.proxy.kill();
  }

  private async reconcile(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        const { items } = await this.ask('GET', '?labelSelector=medformer.io/run');
        for (const pod of items) await this.look(pod);
      } catch (thrown) {
        if (!this.stopping.signal.aborted) process.stderr.write(`pod processes: ${thrown}\n`);
      }
      await sleep(200, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async look({ metadata, spec, status }: Manifest): Promise<void> {
    const name: string = metadata.name;
    const known = this.running.get(name);
    if (metadata.deletionTimestamp) {
      if (known) known.signal('SIGTERM');
      else if (metadata.finalizers?.includes(FINALIZER)) await this.letGo(name);
    } else if (!known && !this.exits.has(name) && status.phase === 'Running') {
      await this.update(name, ({ finalizers = [] }) => ({
        metadata: { finalizers: [...finalizers, FINALIZER] },
      }));
      this.spawn(
        name,
        spec.containers.find((each: Manifest) => each.name === CONTAINER),
      );
    }
  }

  private spawn(name: string, container: Manifest): void {
    const own = Object.fromEntries(
      (container.env as Manifest[]).flatMap(({ name: variable, value }) =>
        value ? [[variable, value]] : [],
      ),
    );
    const [program, ...args] = container.command as string[];
    const message = join(this.folder, `${name}.message`);
    const child = spawn(program === 'node' ? process.execPath : program!, args, {
      cwd: ROOT,
      env: { PATH: process.env.PATH, ...own, ...this.env, MEDFORMER_TERMINATION_LOG: message },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = createWriteStream(join(this.folder, `${name}.log`));
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    const signal = (which: NodeJS.Signals) => {
      // SIGTERM goes to a container's first process alone; what freezes or kills a pod takes all of them.
      if (child.exitCode === null && child.signalCode === null)
        process.kill(which === 'SIGTERM' ? child.pid! : -child.pid!, which);
    };
    this.exits.set(name, undefined);
    this.running.set(name, { name, child, signal });
    void this.ended(name, child, message);
  }

  private async ended(name: string, child: ChildProcess, messageFile: string): Promise<void> {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    const exitCode = code ?? 128 + (signal === 'SIGKILL' ? 9 : 15);
    this.exits.set(name, exitCode);
    this.running.delete(name);
    if (this.stopping.signal.aborted) return;
    const message = await readFile(messageFile, 'utf8').catch(() => '');
    const finishedAt = new Date().toISOString();
    const terminated = {
      exitCode,
      message,
      finishedAt,
      startedAt: finishedAt,
      reason: exitCode ? 'Error' : 'Completed',
    };
    const state = {
      name: CONTAINER,
      image: 'e2e',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { terminated },
    };
    const status = { phase: exitCode === 0 ? 'Succeeded' : 'Failed', containerStatuses: [state] };
    await this.ask('PATCH', `/${name}/status`, { status }).catch(() => undefined);
    await this.letGo(name);
  }

  private async letGo(name: string): Promise<void> {
    await this.update(name, ({ finalizers = [] }) => ({
      metadata: { finalizers: finalizers.filter((each: string) => each !== FINALIZER) },
    }));
  }

  /** Against the version read, again and again: others change the pod too. */
  private async update(name: string, change: (metadata: Manifest) => Manifest): Promise<void> {
    await until(`a change of pod ${name}`, async () => {
      const pod = await this.ask('GET', `/${name}`).catch(() => undefined);
      if (!pod) return true;
      const { metadata } = change(pod.metadata);
      const versioned = { metadata: { ...metadata, resourceVersion: pod.metadata.resourceVersion } };
      return this.ask('PATCH', `/${name}`, versioned).catch(() => undefined);
    });
  }

  private async ask(method: string, path: string, body?: object): Promise<Manifest> {
    const response = await fetch(`${this.api}/api/v1/namespaces/${this.namespace}/pods${path}`, {
      method,
      headers: { 'content-type': 'application/merge-patch+json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}
