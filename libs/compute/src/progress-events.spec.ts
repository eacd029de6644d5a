import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { progressEvents } from './progress-events.js';

it('gives every event in order and the output last', async () => {
  const seen: unknown[] = [];
  const stream = progressEvents<number, string>(async (emit) => {
    emit(1);
    emit(2);
    await sleep(5);
    emit(3);
    return 'done';
  });
  for await (const part of stream) seen.push(part);

  expect(seen).toEqual([{ event: 1 }, { event: 2 }, { event: 3 }, { output: 'done' }]);
});

it('throws what the work threw, after the events before it', async () => {
  const seen: unknown[] = [];
  const stream = progressEvents<number, never>(async (emit) => {
    emit(1);
    throw new RangeError('no');
  });

  await expect(
    (async () => {
      for await (const part of stream) seen.push(part);
    })(),
  ).rejects.toThrow('no');
  expect(seen).toEqual([{ event: 1 }]);
});
