import { PassThrough } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { MedformerError } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { addressesFromEnv, Connection } from './connection.js';
import { Schedule } from './schedule.js';
import { Terminal } from './terminal.js';

function scheduleOf(parallel: number, interrupt = new AbortController()) {
  const { signal } = interrupt;
  const terminal = new Terminal(false, new PassThrough(), new PassThrough());
  return new Schedule(
    { connection: new Connection(addressesFromEnv(undefined, {})), terminal, signal },
    parallel,
  );
}

const failing =
  (code: 'ABORTED' | 'CANCELLED' | 'UNAVAILABLE', message: string) => async (): Promise<string> => {
    throw new MedformerError(code, message);
  };

describe('a schedule', () => {
  it('does as much at once as it may, and no more', async () => {
    const schedule = scheduleOf(3);
    let [now, most] = [0, 0];
    const task = async () => {
      now += 1;
      most = Math.max(most, now);
      await setTimeout(5);
      now -= 1;
    };

    await schedule.all(Array.from({ length: 10 }, () => schedule.work(task)));

    expect(most).toBe(3);
  });

  it('of one at a time ends a chain before it begins the next, as it would without a queue', async () => {
    const schedule = scheduleOf(1);
    const order: string[] = [];
    const chain = async (place: number) => {
      for (const step of ['pretrain', 'tune', 'test'])
        await schedule.work(async () => void order.push(`${step} ${place}`), place);
    };

    await schedule.all([0, 1, 2].map(chain));

    expect(order).toEqual(
      [0, 1, 2].flatMap((at) => ['pretrain', 'tune', 'test'].map((step) => `${step} ${at}`)),
    );
  });

  it('goes on without what failed, and names all of it at the end', async () => {
    const schedule = scheduleOf(2);
    const works = [
      schedule.attempt('A, seed 0', () => schedule.work(failing('ABORTED', 'run 1 failed at step 3 of 4'))),
      schedule.attempt('A, seed 1', () => schedule.work(async () => 'done')),
      schedule.attempt('B, seed 0', () => schedule.work(failing('CANCELLED', 'run 2 cancelled'))),
    ];

    expect(await schedule.all(works)).toEqual([undefined, 'done', undefined]);
    expect(() => schedule.throwFailures()).toThrow(
      expect.objectContaining({
        code: 'ABORTED',
        message: expect.stringMatching(
          /^2 failed, .*A, seed 0: run 1 failed at step 3 of 4; B, seed 0: run 2 cancelled$/,
        ),
      }),
    );
  });

  it('ends at once where nothing else could succeed', async () => {
    const schedule = scheduleOf(1);
    let begun = 0;
    const begin = async () => {
      begun += 1;
    };
    const works: Promise<unknown>[] = [
      schedule.attempt('A', () => schedule.work(failing('UNAVAILABLE', 'localhost:1 does not answer'))),
      schedule.attempt('B', () => schedule.work(begin, 1)),
      schedule.attempt('C', () => schedule.work(() => setTimeout(1_000_000), 2)),
    ];

    await expect(schedule.all(works)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(schedule.failures).toEqual([]);
    await setTimeout(20);
    expect(begun).toBe(0);
  });

  it('after an interrupt begins nothing, and ends when what was begun has stopped', async () => {
    const interrupt = new AbortController();
    const schedule = scheduleOf(2, interrupt);
    const stopped: number[] = [];
    const stopping = (ms: number) => async () => {
      await new Promise((resolve) => interrupt.signal.addEventListener('abort', resolve, { once: true }));
      await setTimeout(ms);
      stopped.push(ms);
      throw new MedformerError('CANCELLED', `stopped after ${ms}`);
    };
    let begun = 0;
    const begin = async () => {
      begun += 1;
    };
    const works: Promise<unknown>[] = [
      schedule.attempt('A', () => schedule.work(stopping(30))),
      schedule.attempt('B', () => schedule.work(stopping(1))),
      schedule.attempt('C', () => schedule.work(begin)),
    ];

    setImmediate(() => interrupt.abort());
    await expect(schedule.all(works)).rejects.toMatchObject({
      code: 'CANCELLED',
      message: 'stopped after 1',
    });

    expect(stopped).toEqual([1, 30]);
    expect(begun).toBe(0);
    expect(schedule.failures).toEqual([]);
  });
});
