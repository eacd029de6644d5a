import { setImmediate as turn } from 'node:timers/promises';
import { MedformerError } from '@medformer/schema';
import { expect, it } from 'vitest';
import { batchSizes, fittingBatch } from './batch-sizes.js';
import { DynamicBatcher, type Level, type SubmitOptions } from './dynamic-batcher.js';

/** A batcher over a run that ends when told to. */
function batcher(options: { maxBatch?: number; maxDelayMs?: number } = {}) {
  const batches: {
    items: string[];
    size: number;
    bucket: string;
    end(outputs?: unknown[]): void;
    fail(error: Error): void;
  }[] = [];
  const made = new DynamicBatcher<string, string>(
    { maxBatch: 4, maxDelayMs: 0, ...options },
    (items, size, bucket) =>
      new Promise((resolve, reject) => {
        batches.push({
          items,
          size,
          bucket,
          end: (outputs = items.map((item) => item.toUpperCase())) => resolve(outputs as string[]),
          fail: reject,
        });
      }),
  );
  const submit = (item: string, given: Partial<SubmitOptions> = {}) => {
    const outcome = made.submit(item, { bucket: 'a', signal: new AbortController().signal, ...given });
    outcome.catch(() => undefined);
    return outcome;
  };
  return { made, batches, submit };
}

/** Until what was submitted or ended has had its effect. */
async function settled(): Promise<void> {
  for (let count = 0; count < 4; count += 1) await turn();
}

it('what waits in one turn of the event loop goes together, each caller gets its own answer', async () => {
  const { batches, submit } = batcher();
  const answers = ['a', 'b', 'c'].map((item) => submit(item));
  await settled();
  expect(batches.map(({ items, size }) => [items, size])).toEqual([[['a', 'b', 'c'], 4]]);
  batches[0]!.end();
  expect((await Promise.all(answers)).map(({ output, images }) => [output, images])).toEqual([
    ['A', 3],
    ['B', 3],
    ['C', 3],
  ]);
});

it('collects while a batch is computed, and hands over a full one before that has ended', async () => {
  const { batches, submit } = batcher();
  submit('first');
  await settled();
  for (const item of ['b', 'c', 'd']) submit(item);
  await settled();
  expect(batches).toHaveLength(1);
  submit('e');
  await settled();
  expect(batches.map(({ items }) => items)).toEqual([['first'], ['b', 'c', 'd', 'e']]);
  for (const item of ['f', 'g', 'h', 'i', 'j']) submit(item);
  await settled();
  expect(batches).toHaveLength(2);
  batches[0]!.end();
  await settled();
  expect(batches[2]!.items).toEqual(['f', 'g', 'h', 'i']);
});

it('hands over what waits soon before the batch that is computed is expected to end', async () => {
  const { batches, submit } = batcher();
  for (let run = 0; run < 3; run += 1) {
    submit(`${run}`);
    await settled();
    await new Promise((resolve) => setTimeout(resolve, 60));
    batches[run]!.end();
    await settled();
  }
  const began = performance.now();
  submit('computed');
  await settled();
  submit('next');
  await settled();
  expect(batches).toHaveLength(4);
  // The fourth never ends.
  await expect.poll(() => batches.length, { interval: 1, timeout: 10_000 }).toBe(5);
  expect(performance.now() - began).toBeGreaterThanOrEqual(50);
  expect(batches[4]!.items).toEqual(['next']);
});

it('waits for its delay unless the batch is full', async () => {
  const { batches, submit } = batcher({ maxDelayMs: 100 });
  const began = performance.now();
  submit('a');
  await settled();
  expect(batches).toHaveLength(0);
  await expect.poll(() => batches.length, { interval: 5, timeout: 10_000 }).toBe(1);
  expect(performance.now() - began).toBeGreaterThanOrEqual(100);
  batches[0]!.end();
  await settled();
  for (const item of ['b', 'c', 'd', 'e']) submit(item);
  await settled();
  expect(batches[1]!.items).toEqual(['b', 'c', 'd', 'e']);
});

it('never mixes buckets; of one level the image that waits longest decides which goes first', async () => {
  const { batches, submit } = batcher();
  submit('blocking');
  await settled();
  submit('b1', { bucket: 'b' });
  await settled();
  for (let count = 0; count < 12; count += 1) submit(`a${count}`);
  for (let ended = 0; ended < 4; ended += 1) {
    await settled();
    batches[ended]!.end();
  }
  await settled();
  expect(batches.map(({ bucket, items }) => `${bucket}${items.length}`)).toEqual([
    'a1',
    'b1',
    'a4',
    'a4',
    'a4',
  ]);
});

it('more urgent images go first, in the order they came', async () => {
  const { batches, submit } = batcher();
  submit('blocking');
  await settled();
  const levels: [string, Level][] = [
    ['bulk1', 2],
    ['normal', 1],
    ['urgent', 0],
    ['bulk2', 2],
    ['bulk3', 2],
  ];
  for (const [item, level] of levels) submit(item, { level });
  await settled();
  expect(batches[1]!.items).toEqual(['urgent', 'normal', 'bulk1', 'bulk2']);
});

it('a cancelled image leaves the queue at once and no batch computes it', async () => {
  const { made, batches, submit } = batcher();
  submit('blocking');
  await settled();
  const controller = new AbortController();
  const cancelled = submit('b', { signal: controller.signal });
  submit('c');
  await settled();
  controller.abort(new MedformerError('CANCELLED', 'cancelled by the caller'));
  await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(made.waiting).toBe(1);
  batches[0]!.end();
  await settled();
  expect(batches[1]!.items).toEqual(['c']);
});

it('drops before compute what is too late by then', async () => {
  const { batches, submit } = batcher();
  submit('blocking');
  await settled();
  const late = submit('late', { deadlineMs: Date.now() + 1 });
  const timely = submit('timely', { deadlineMs: Date.now() + 60_000 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  batches[0]!.end();
  await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await settled();
  expect(batches[1]!.items).toEqual(['timely']);
  batches[1]!.end();
  expect((await timely).output).toBe('TIMELY');
});

it('refuses at once whom the queue ahead makes too late, and only while it knows the times', async () => {
  let now = 0;
  const ends: (() => void)[] = [];
  const made = new DynamicBatcher<number, number>(
    { maxBatch: 2, maxDelayMs: 0, now: () => now },
    (items) => new Promise((resolve) => ends.push(() => resolve(items))),
  );
  const submit = (deadlineMs?: number) =>
    made.submit(0, { bucket: 'a', signal: new AbortController().signal, deadlineMs });
  // Three full batches of 100 ms each.
  for (let batch = 0; batch < 3; batch += 1) {
    const both = [submit(), submit()];
    await settled();
    now += 100;
    ends[batch]!();
    await Promise.all(both);
  }
  for (let count = 0; count < 10; count += 1) void submit();
  await settled();
  // Two batches are under way, six images wait: 300 ms.
  expect(() => submit(Date.now() + 250)).toThrow(/^deadline: 6 images go first and take 300 ms/);
  await expect(Promise.race([submit(Date.now() + 60_000), settled()])).resolves.toBeUndefined();
  now += 60_000;
  expect(() => submit(Date.now() + 250)).not.toThrow();
});

it('gives up the least urgent image that came last for a more urgent one', async () => {
  const { made, submit } = batcher();
  submit('blocking');
  await settled();
  const [bulk1, bulk2] = [submit('bulk1', { level: 2 }), submit('bulk2', { level: 2 })];
  await settled();
  expect(made.displace(2)).toBe(false);
  expect(made.displace(1)).toBe(true);
  await expect(bulk2).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'displaced' });
  expect(made.displace(0)).toBe(true);
  await expect(bulk1).rejects.toMatchObject({ reason: 'displaced' });
  expect(made.displace(0)).toBe(false);
});

it('an image that fails alone fails no other; a batch that fails fails all of it and the next goes on', async () => {
  const { batches, submit } = batcher();
  const [good, bad] = [submit('good'), submit('bad')];
  await settled();
  batches[0]!.end(['GOOD', new MedformerError('INVALID_ARGUMENT', 'pixel 3')]);
  expect((await good).output).toBe('GOOD');
  await expect(bad).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });

  const lost = [submit('c'), submit('d')];
  await settled();
  batches[1]!.fail(new MedformerError('UNAVAILABLE', 'died'));
  for (const each of lost) await expect(each).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  submit('e');
  await settled();
  expect(batches[2]!.items).toEqual(['e']);
});

it('is computed at few sizes, of which at most a quarter is padding', () => {
  expect(batchSizes(32)).toEqual([1, 2, 4, 8, 12, 16, 24, 32]);
  expect(batchSizes(24)).toEqual([1, 2, 4, 8, 12, 16, 24]);
  expect(batchSizes(1)).toEqual([1]);
  const sizes = batchSizes(32);
  expect([1, 3, 5, 6, 11, 12, 23, 24, 40].map((waiting) => fittingBatch(waiting, sizes))).toEqual([
    { images: 1, size: 1 },
    { images: 3, size: 4 },
    { images: 4, size: 4 },
    { images: 6, size: 8 },
    { images: 11, size: 12 },
    { images: 12, size: 12 },
    { images: 23, size: 24 },
    { images: 24, size: 24 },
    { images: 32, size: 32 },
  ]);
});
