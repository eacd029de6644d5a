import { setImmediate } from 'node:timers/promises';
import { type Run, TrainerServiceService } from '@medformer/gen/trainer';
import { type ErrorCode, MedformerError } from '@medformer/schema';
import PQueue from 'p-queue';
import type { Context } from './context.js';
import type { Spec } from './spec-file.js';
import { trainToEnd } from './training.js';

/** Runs that are started at once where a cluster decides how many of them train; the others wait here, not there. */
const RUNS_OF_A_CLUSTER = 16;

/** What did not come to its end, and why. */
export interface Failure {
  what: string;
  code: ErrorCode;
  message: string;
}

/** After these nothing else would succeed either. */
const NOT_OF_ONE_RUN = new Set<ErrorCode>(['UNAVAILABLE', 'UNAUTHENTICATED', 'PERMISSION_DENIED']);

/**
 * Runs and evaluations of one command, so many at once. Which wait for which the callers say by awaiting; here equal specs are
 * one run, and what fails is kept for the end, so that it takes nothing else with it.
 */
export class Schedule {
  readonly context: Context;
  readonly failures: Failure[] = [];
  private readonly queue: PQueue;
  private readonly runs = new Map<string, Promise<Run>>();

  constructor(
    context: Context,
    readonly parallel: number,
  ) {
    this.queue = new PQueue({ concurrency: parallel });
    this.context = { ...context, terminal: context.terminal.sideBySide(parallel) };
  }

  /**
   * @param place of what waits, the lowest goes first: a chain of runs keeps its place, and so ends before later ones begin
   * @throws MedformerError as `trainToEnd`
   */
  train(spec: Spec, label: string, place = 0): Promise<Run> {
    const key = JSON.stringify(spec);
    const known = this.runs.get(key);
    if (known) return known;
    const run = this.work(() => trainToEnd(this.context, spec, label), place);
    this.runs.set(key, run);
    return run;
  }

  /** Does what is not a run but takes as much of the services, e.g. an evaluation. */
  async work<Result>(task: () => Promise<Result>, place = 0): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const begin = async () => {
        const { signal } = this.context;
        await (signal.aborted ? Promise.reject(interrupted()) : task()).then(resolve, reject);
        // What goes on from this is queued before the next one is chosen.
        await setImmediate();
      };
      void this.queue.add(begin, { priority: -place });
    });
  }

  /**
   * Undefined where it failed by itself; then `failures` names it.
   * @throws MedformerError after an interrupt, and for what would make everything else fail too
   */
  async attempt<Result>(what: string, task: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await task();
    } catch (error) {
      const own = error instanceof MedformerError && !NOT_OF_ONE_RUN.has(error.code);
      if (!own || this.context.signal.aborted) throw error;
      this.failures.push({ what, code: error.code, message: error.message });
      this.context.terminal.note(`${what}: ${error.message}`);
      return undefined;
    }
  }

  /** All of it. After an interrupt every run that was begun has stopped with a checkpoint when this throws. */
  async all<Result>(works: readonly Promise<Result>[]): Promise<Result[]> {
    try {
      return await Promise.all(works);
    } catch (error) {
      this.queue.clear();
      if (this.context.signal.aborted) await this.queue.onIdle();
      throw error;
    }
  }

  /** @throws MedformerError naming every failure there was, once the result has been shown */
  throwFailures(): void {
    const [first] = this.failures;
    if (!first) return;
    const list = this.failures.map(({ what, message }) => `${what}: ${message}`).join('; ');
    throw new MedformerError(
      first.code === 'CANCELLED' ? 'ABORTED' : first.code,
      `${this.failures.length} failed, and the same command tries again what did: ${list}`,
    );
  }
}

/** What all seeds gave, or undefined where one failed: means over fewer would not compare. */
export function allOrNone<Result>(seeds: readonly (Result | undefined)[]): Result[] | undefined {
  const there = seeds.filter((result) => result !== undefined);
  return there.length === seeds.length ? there : undefined;
}

/** @param parallel as many as the trainer says it trains at once, where undefined */
export async function openSchedule(context: Context, parallel: number | undefined): Promise<Schedule> {
  return new Schedule(context, parallel ?? (await runsAtOnce(context)));
}

export const PARALLEL_FLAG = [
  '--parallel <n>',
  'runs and evaluations at once (default: as many as the trainer trains at once, 16 on Kubernetes)',
] as const;

async function runsAtOnce({ connection }: Context): Promise<number> {
  try {
    const { runsAtOnce } = await connection.unary(TrainerServiceService.getCapacity, {});
    return runsAtOnce ?? RUNS_OF_A_CLUSTER;
  } catch (error) {
    // A trainer from before it could be asked.
    if (error instanceof MedformerError && error.code === 'UNIMPLEMENTED') return 1;
    throw error;
  }
}

function interrupted(): MedformerError {
  return new MedformerError(
    'CANCELLED',
    'stopped; the same command goes on from the last checkpoints and finds what is done',
  );
}
