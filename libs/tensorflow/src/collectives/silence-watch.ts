import { Worker } from 'node:worker_threads';
import { PeerLostError } from './peer-lost-error.js';

/** Last words of a process that is killed because its peers are silent. */
export const PEERS_SILENT = 'peer lost: silent for too long';

/** What is left to a process that cannot leave by itself: see `SilenceWatch`. */
const LAST_RESORT_MS = 1000;

/**
 * Ends waiting for peers that do not do their part: first by an error, and where this thread is occupied or TensorFlow's
 * stays in the call, by SIGKILL from a thread of its own. Nothing wakes a collective that waits, so a process that met such
 * an error has to end.
 */
export class SilenceWatch {
  /** Milliseconds since the epoch at which the process is killed; 0: never. */
  private readonly killAt = new BigInt64Array(new SharedArrayBuffer(8));
  private readonly thread: Worker;

  constructor() {
    const source = `
      const { workerData } = require('node:worker_threads');
      setInterval(() => {
        const at = Number(Atomics.load(workerData, 0));
        if (at === 0 || Date.now() < at) return;
        require('node:fs').writeSync(2, '${PEERS_SILENT}; this process is killed\\n');
        process.kill(process.pid, 'SIGKILL');
      }, 100);`;
    this.thread = new Worker(source, { eval: true, execArgv: [], workerData: this.killAt });
    this.thread.unref();
  }

  /**
   * @throws PeerLostError when the work takes longer; the process is then killed within a second
   * @throws the signal's reason when it fires
   */
  async within<T>(milliseconds: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const deadline = Date.now() + milliseconds;
    Atomics.store(this.killAt, 0, BigInt(deadline + LAST_RESORT_MS));
    let reject: (reason: unknown) => void = () => undefined;
    const given = new Promise<never>((_, refuse) => {
      reject = refuse;
    });
    const giveUp = (reason: unknown) => {
      // An ordinary exit would wait for the thread that waits for the peers.
      process.once('exit', () => process.kill(process.pid, 'SIGKILL'));
      reject(reason);
    };
    const timer = setTimeout(
      () => giveUp(new PeerLostError(`a peer was silent for ${milliseconds / 1000} s`)),
      milliseconds,
    );
    const stop = () => giveUp(signal!.reason);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const done = await Promise.race([work(), given]);
      Atomics.store(this.killAt, 0, 0n);
      return done;
    } catch (error) {
      if (!(error instanceof PeerLostError)) Atomics.store(this.killAt, 0, 0n);
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  async stop(): Promise<void> {
    Atomics.store(this.killAt, 0, 0n);
    await this.thread.terminate();
  }
}
