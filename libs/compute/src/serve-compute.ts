import { getPriority, setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { MedformerError, toMedformerError } from '@medformer/schema';
import type { ComputeCalls, ProgressOf } from './calls.js';
import type { ToChild, ToParent } from './messages.js';
import { reportVitals, type TensorMemory } from './vitals.js';

export interface CallContext<Progress> {
  /** Fires when the caller cancels, its deadline passes, or the process is told to stop; its reason is a MedformerError. */
  signal: AbortSignal;
  progress(event: Progress): void;
}

export type ComputeHandlers<Calls extends ComputeCalls> = {
  [Name in keyof Calls]: (
    input: Calls[Name]['input'],
    context: CallContext<ProgressOf<Calls[Name]>>,
  ) => Calls[Name]['output'] | Promise<Calls[Name]['output']>;
};

/**
 * Makes this process a compute process: call it last in the entry file that `startComputeProcess` starts.
 *
 * TensorFlow's kernels run on the calling thread, so a handler sees its signal only between awaits: long work
 * yields once per step (`await setImmediate()` of node:timers/promises) and then checks `signal.throwIfAborted()`.
 * The process leaves when its parent does, however either of them is occupied. `tensors` says what this process holds;
 * the parent shows it as a metric.
 */
export function serveCompute<Calls extends ComputeCalls>(
  handlers: ComputeHandlers<Calls>,
  options: { tensors?: () => TensorMemory } = {},
): void {
  const send = process.send?.bind(process) as ((message: ToParent) => boolean) | undefined;
  if (!send) throw new Error('a compute process is started by startComputeProcess, not by hand');
  const running = new Map<number, AbortController>();
  const graceMs = Number(process.env.MEDFORMER_COMPUTE_GRACE_MS ?? 5000);

  const leave = (reason: MedformerError) => {
    for (const controller of running.values()) controller.abort(reason);
    const leaveWhenIdle = setInterval(() => running.size === 0 && process.exit(0), 10);
    leaveWhenIdle.unref();
    setTimeout(() => process.exit(1), graceMs);
  };

  const run = async ({ id, name, input }: Extract<ToChild, { type: 'call' }>) => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
      if (!handler) throw new MedformerError('UNIMPLEMENTED', `no compute call ${name}`);
      const progress = (event: unknown) => void (process.connected && send({ type: 'progress', id, event }));
      answer({ type: 'output', id, output: await handler(input, { signal: controller.signal, progress }) });
    } catch (thrown) {
      const { code, message, logged } = toMedformerError(thrown);
      const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      answer({ type: 'failure', id, code, message, logged, stack });
    } finally {
      running.delete(id);
    }
  };

  const answer = (message: ToParent) => void (process.connected && send(message));

  process.on('message', (message: ToChild) => {
    if (message.type === 'call') void run(message);
    else running.get(message.id)?.abort(new MedformerError(message.code, message.message));
  });
  process.on('disconnect', () => leave(new MedformerError('UNAVAILABLE', 'the parent process is gone')));
  process.on('SIGTERM', () => leave(new MedformerError('UNAVAILABLE', 'the compute process is stopping')));
  // Ctrl-C reaches the whole process group; the parent decides when its children stop.
  process.on('SIGINT', () => undefined);

  // Transport and health of the parent come first on a machine with few cores.
  const niceness = Number(process.env.MEDFORMER_COMPUTE_NICENESS ?? 5);
  // Where something outside has set a lower priority yet, raising it may be forbidden.
  if (niceness > getPriority()) setPriority(niceness);
  watchParent(graceMs);
  answer({ type: 'ready' });
  reportVitals(answer, options.tensors);
}

/** A native kernel can occupy the main thread for long; this thread still sees the parent die. */
function watchParent(graceMs: number): void {
  const source = `
    const watch = setInterval(() => {
      if (process.ppid === ${process.ppid}) return;
      clearInterval(watch);
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${graceMs});
    }, 500);`;
  new Worker(source, { eval: true, execArgv: [], stdout: false, stderr: false }).unref();
}
