import { fileURLToPath } from 'node:url';
import { publishStoreOperation } from '@medformer/object-store';
import { type ErrorCode, MedformerError, toMedformerError } from '@medformer/schema';
import { execaNode } from 'execa';
import type { ComputeCalls, ProgressOf } from './calls.js';
import { countLoss, type LossCause, type Shown, shown } from './compute-states.js';
import type { ToChild, ToParent } from './messages.js';
import type { Vitals } from './vitals.js';

export interface ComputeProcess<Calls extends ComputeCalls> {
  /** Of the child that runs now; undefined between a death and the next call. */
  readonly pid: number | undefined;
  /**
   * Runs one call in the child; many may be under way at once.
   *
   * When the signal fires, the child's signal fires too and the call settles as the child answers; a child that has not
   * answered after the grace period is killed, which also ends the other calls under way.
   * @throws MedformerError as thrown by the handler (its stack is the cause); CANCELLED or DEADLINE_EXCEEDED as the
   * signal's reason says; UNAVAILABLE when the child dies, naming its exit and the end of its stderr.
   */
  call<Name extends keyof Calls & string>(
    name: Name,
    input: Calls[Name]['input'],
    options?: { signal?: AbortSignal | undefined; onProgress?: (event: ProgressOf<Calls[Name]>) => void },
  ): Promise<Calls[Name]['output']>;
  /** Lets calls under way end within the grace period (their signals fire), then kills; later calls are refused. */
  stop(): Promise<void>;
}

export interface ComputeProcessOptions {
  /** Shown in errors, e.g. `encoder compute process`. */
  name?: string;
  env?: Record<string, string>;
  /** Flags of node itself, e.g. `--max-old-space-size=4096`. */
  nodeOptions?: readonly string[];
  /** How long a cancelled call or a stopped process may take to end before it is killed. Default 5 s. */
  gracePeriodMs?: number;
  /** How long the entry file may take to call serveCompute. Default 60 s. */
  startTimeoutMs?: number;
  /** Scheduling niceness of the child, 0 to 19. Default 5. */
  niceness?: number;
  /** Given what the child writes to its stderr, as it comes. */
  onStderr?(chunk: Buffer): void;
}

/**
 * Starts `entry`, a file that ends in `serveCompute(handlers)`, in a process of its own, and starts it again for the
 * next call after it died. Name the built file so that it is found from `src` and `dist` alike:
 * `new URL('../dist/training-process.js', import.meta.url)`.
 */
export function startComputeProcess<Calls extends ComputeCalls>(
  entry: URL,
  options: ComputeProcessOptions = {},
): ComputeProcess<Calls> {
  return new RestartingProcess(entry, options) as ComputeProcess<Calls>;
}

class RestartingProcess implements Shown {
  private child: Child | undefined;
  private stopped = false;

  constructor(
    private readonly entry: URL,
    private readonly options: ComputeProcessOptions,
  ) {
    this.child = new Child(entry, options);
    shown.add(this);
  }

  get name(): string {
    return nameOf(this.options);
  }

  get pid(): number | undefined {
    return this.child?.alive ? this.child.pid : undefined;
  }

  get calls(): number {
    return this.child?.calls ?? 0;
  }

  get vitals(): Vitals | undefined {
    return this.child?.alive ? this.child.vitals : undefined;
  }

  async call(name: string, input: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.stopped) throw new MedformerError('UNAVAILABLE', `${nameOf(this.options)} is stopped`);
    if (options.signal?.aborted) throw abortReason(options.signal);
    if (!this.child?.alive) this.child = new Child(this.entry, this.options);
    return this.child.call(name, input, options);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.child?.stop();
    shown.delete(this);
  }
}

interface CallOptions {
  signal?: AbortSignal | undefined;
  onProgress?: (event: never) => void;
}

interface PendingCall {
  resolve(output: unknown): void;
  reject(error: MedformerError): void;
  onProgress: ((event: never) => void) | undefined;
}

const STDERR_TAIL_CHARACTERS = 2000;

/** One life of the process. */
class Child {
  alive = true;
  vitals: Vitals | undefined;
  private readonly process: ReturnType<typeof spawn>;
  private readonly ready: Promise<void>;
  private readonly exited: Promise<void>;
  private readonly pending = new Map<number, PendingCall>();
  private readonly graceMs: number;
  private lastId = 0;
  private stderrTail = '';
  private exitText = 'running';
  private killedBecause: string | undefined;
  private lossCause: LossCause = 'crashed';
  private stopping = false;

  constructor(
    entry: URL,
    private readonly options: ComputeProcessOptions,
  ) {
    this.graceMs = options.gracePeriodMs ?? 5000;
    this.process = spawn(entry, options, this.graceMs);
    this.process.stderr?.on('data', (chunk: Buffer) => {
      options.onStderr?.(chunk);
      this.stderrTail = (this.stderrTail + chunk.toString()).slice(-STDERR_TAIL_CHARACTERS);
    });
    this.exited = this.settleOnExit();
    this.ready = this.waitUntilReady(options.startTimeoutMs ?? 60_000);
    // Reported by the calls that wait for it.
    this.ready.catch(() => undefined);
    this.process.on('message', (message: unknown) => this.receive(message as ToParent));
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get calls(): number {
    return this.pending.size;
  }

  async call(name: string, input: unknown, { signal, onProgress }: CallOptions): Promise<unknown> {
    await this.ready;
    if (signal?.aborted) throw abortReason(signal);
    this.lastId += 1;
    const id = this.lastId;
    const answered = new Promise<unknown>((resolve, reject) => {
      this.pending.set(id, { resolve, reject, onProgress });
    });
    let grace: NodeJS.Timeout | undefined;
    const cancel = () => {
      const { code, message } = abortReason(signal!);
      this.send({ type: 'cancel', id, code, message });
      grace = setTimeout(() => this.kill(id, code, message, name), this.graceMs);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      this.send({ type: 'call', id, name, input });
      return await answered;
    } finally {
      clearTimeout(grace);
      signal?.removeEventListener('abort', cancel);
      this.pending.delete(id);
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.alive) this.process.kill('SIGTERM');
    await this.exited;
  }

  private send(message: ToChild): void {
    // A failed send means that the child is going; its exit settles the call and says why.
    if (this.process.connected) this.process.send(message, undefined, undefined, () => undefined);
  }

  private receive(message: ToParent): void {
    if (message.type === 'ready') return;
    if (message.type === 'vitals') {
      this.vitals = message.vitals;
      message.storeOperations.forEach(publishStoreOperation);
      return;
    }
    const call = this.pending.get(message.id);
    if (message.type === 'progress') call?.onProgress?.(message.event as never);
    else if (message.type === 'output') call?.resolve(message.output);
    else call?.reject(remoteError(message));
  }

  /** The cancelled call did not end in time: its caller gets its own reason, the others learn what happened. */
  private kill(id: number, code: ErrorCode, message: string, name: string): void {
    this.pending.get(id)?.reject(new MedformerError(code, message));
    this.lossCause = 'cancelled';
    this.killedBecause = `killed: the cancelled call ${name} did not end within ${this.graceMs} ms`;
    this.process.kill('SIGKILL');
    this.alive = false;
  }

  private async waitUntilReady(timeoutMs: number): Promise<void> {
    const ready = new Promise<void>((resolve) => this.process.once('message', () => resolve()));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((_, reject) => {
      timer = setTimeout(() => {
        this.lossCause = 'not-ready';
        this.killedBecause = `killed: not ready within ${timeoutMs} ms`;
        this.process.kill('SIGKILL');
        reject(this.death('not ready'));
      }, timeoutMs);
    });
    try {
      await Promise.race([ready, late, this.exited.then(() => Promise.reject(this.death(this.exitText)))]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async settleOnExit(): Promise<void> {
    const { exitCode, signal, originalMessage } = await this.process;
    this.alive = false;
    if (!this.stopping) countLoss(nameOf(this.options), this.lossCause);
    this.exitText = signal
      ? `died by ${signal}`
      : exitCode === undefined
        ? (originalMessage ?? 'did not start')
        : `exited with code ${exitCode}`;
    for (const call of this.pending.values()) call.reject(this.death(this.exitText));
  }

  private death(how: string): MedformerError {
    const tail = this.stderrTail.trim();
    return new MedformerError('UNAVAILABLE', `${nameOf(this.options)} ${this.killedBecause ?? how}`, {
      cause: new Error(tail || 'nothing on stderr'),
    });
  }
}

function spawn(entry: URL, options: ComputeProcessOptions, graceMs: number) {
  return execaNode(fileURLToPath(entry), [], {
    serialization: 'advanced',
    ipc: true,
    reject: false,
    // Nothing is collected: a run of days would fill the parent's memory.
    buffer: false,
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: ['pipe', 'inherit'],
    forceKillAfterDelay: graceMs,
    nodeOptions: [...(options.nodeOptions ?? [])],
    env: {
      ...options.env,
      MEDFORMER_COMPUTE_GRACE_MS: String(graceMs),
      MEDFORMER_COMPUTE_NICENESS: String(options.niceness ?? 5),
    },
  });
}

function remoteError(message: Extract<ToParent, { type: 'failure' }>): MedformerError {
  const remote = new Error(message.message);
  remote.stack = message.stack;
  return new MedformerError(message.code, message.message, { cause: remote, logged: message.logged });
}

function abortReason(signal: AbortSignal): MedformerError {
  return toMedformerError(signal.reason);
}

function nameOf(options: ComputeProcessOptions): string {
  return options.name ?? 'compute process';
}
