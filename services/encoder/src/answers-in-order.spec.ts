import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { answersInOrder } from './answers-in-order.js';

async function* numbers(count: number, seen: number[] = []): AsyncGenerator<number> {
  for (let number = 0; number < count; number += 1) {
    seen.push(number);
    yield number;
  }
}

async function collect<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

it('gives answers in the order of the requests, whichever is ready first', async () => {
  let atWork = 0;
  let most = 0;
  const answers = answersInOrder(numbers(20), 8, async (number, taken) => {
    taken();
    atWork += 1;
    most = Math.max(most, atWork);
    await sleep(20 - number);
    atWork -= 1;
    return number * 2;
  });
  expect(await collect(answers)).toEqual(Array.from({ length: 20 }, (_, number) => number * 2));
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(8);
});

it('reads no further than the window ahead of a slow reader', async () => {
  const seen: number[] = [];
  const answers = answersInOrder(numbers(100, seen), 4, async (number, taken) => {
    taken();
    return number;
  });
  for (let read = 0; read < 3; read += 1) {
    expect((await answers.next()).value).toBe(read);
    await sleep(10);
    expect(seen.length).toBeLessThanOrEqual(read + 5);
  }
  await answers.return(undefined);
  await sleep(10);
  expect(seen.length).toBeLessThan(12);
});

it('reads the next request only when the one before has been taken', async () => {
  const seen: number[] = [];
  const taken: (() => void)[] = [];
  const answers = answersInOrder(numbers(3, seen), 9, async (number, take) => {
    taken.push(take);
    await new Promise<void>((resolve) => taken.push(resolve));
    return number;
  });
  const all = collect(answers);
  await sleep(10);
  expect(seen).toEqual([0]);
  while (seen.length < 3) {
    for (const take of taken.splice(0)) take();
    await sleep(1);
  }
  await sleep(10);
  for (const take of taken.splice(0)) take();
  expect(await all).toEqual([0, 1, 2]);
});

it('throws what the requests throw, after the answers before it', async () => {
  const seen: number[] = [];
  const failing = async function* () {
    yield 1;
    yield 2;
    throw new RangeError('reset');
  };
  const answers = answersInOrder(failing(), 9, async (number) => number);
  await expect(
    (async () => {
      for await (const answer of answers) seen.push(answer);
    })(),
  ).rejects.toThrow('reset');
  expect(seen).toEqual([1, 2]);
});
