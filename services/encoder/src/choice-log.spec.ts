import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isReferred } from '@medformer/checkpoint';
import { type ObjectStore, openFilesystemStore } from '@medformer/object-store';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ChoiceLog } from './choice-log.js';
import { ModelChoice } from './model-choice.js';

const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];
const choiceOf = (checkpoint: string, more: object = {}) => ModelChoice.parse({ checkpoint, ...more });

let folder: string;
let store: ObjectStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'choice-log-'));
  store = await openFilesystemStore(folder);
});
afterEach(() => rm(folder, { recursive: true }));

it('numbers choices and finds the newest, from nothing and from any known one', async () => {
  const log = new ChoiceLog(store);
  const none = await log.newest();
  expect(none).toEqual({ generation: 0, choice: undefined });
  const first = await log.append(none, choiceOf(a));
  const second = await log.append(first!, choiceOf(b, { previous: a }));
  expect(second).toEqual({ generation: 2, choice: choiceOf(b, { previous: a }) });
  for (const known of [none, first!, second!]) expect(await log.after(known)).toEqual(second);
  expect(await new ChoiceLog(store).newest()).toEqual(second);
});

it('lets one of two encoders make the next choice; the other makes the one after it', async () => {
  const [one, other] = [new ChoiceLog(store), new ChoiceLog(store)];
  const known = await one.newest();
  const made = await Promise.all([one.append(known, choiceOf(a)), other.append(known, choiceOf(b))]);
  expect(made.filter((each) => each !== undefined)).toHaveLength(1);
  const won = made.find((each) => each !== undefined)!;
  expect(await other.after(known)).toEqual(won);
  expect(await other.append(won, choiceOf(c))).toMatchObject({ generation: 2 });
});

it('keeps what the newest choice names from being pruned, and nothing that lost or was replaced', async () => {
  const log = new ChoiceLog(store);
  const referred = () => Promise.all([a, b, c].map((checkpoint) => isReferred(store, checkpoint)));
  const none = await log.newest();
  const first = await log.append(none, choiceOf(a));
  expect(await log.append(none, choiceOf(c))).toBeUndefined();
  expect(await referred()).toEqual([true, false, false]);
  const second = await log.append(first!, choiceOf(b, { previous: a }));
  expect(await referred()).toEqual([true, true, false]);
  await log.append(second!, choiceOf(b, { standby: [c] }));
  expect(await referred()).toEqual([false, true, true]);
});

it('goes on from the one choice that encoders overwrote before, and lets go of what only that one held', async () => {
  await store.put('serving/encoder.json', Buffer.from(JSON.stringify({ checkpoint: a })));
  await store.put(`references/${a}/encoder`, Buffer.alloc(0));
  const log = new ChoiceLog(store);
  const before = await log.newest();
  expect(before).toEqual({ generation: 0, choice: choiceOf(a) });
  await log.append(before, choiceOf(b));
  expect(await isReferred(store, a)).toBe(false);
  expect((await log.newest()).choice).toEqual(choiceOf(b));
});
