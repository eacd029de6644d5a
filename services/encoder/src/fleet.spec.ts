import { status } from '@grpc/grpc-js';
import { sha256 } from '@medformer/schema';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EncoderProcess } from '../spec/encoder-process.js';
import { EncoderUnderTest } from '../spec/encoder-service.js';
import { ChoiceLog } from './choice-log.js';

const SETTINGS = {
  'encoder-threads': '1',
  'encoder-max-batch': '1',
  'encoder-warm-up': '8x8x1',
  'encoder-follow-ms': '200',
};
const GENERATION = 'medformer_encoder_choice_generation';
const soon = { timeout: 60_000 };

let under: EncoderUnderTest;
let checkpoints: [string, string, string];
let one: EncoderProcess;
let other: EncoderProcess;

beforeAll(async () => {
  under = await EncoderUnderTest.create();
  const found: string[] = [];
  for (const seed of [1, 2, 3]) {
    const { checkpoint, model } = await under.untrained(seed);
    model.dispose();
    found.push(checkpoint);
  }
  checkpoints = found as typeof checkpoints;
  one = await EncoderProcess.start(under.storeUrl, SETTINGS);
  other = await EncoderProcess.start(under.storeUrl, SETTINGS);
}, 120_000);
afterAll(async () => {
  await one?.stop();
  await other?.stop();
  await under.close();
});

it('a model that one encoder is told to load is served by the other, which answers on the old one until then', async () => {
  const [first, second] = checkpoints;
  await one.load(first);
  await expect.poll(() => other.encode().catch(() => undefined), soon).toBe(first);

  let over = false;
  const seen = new Set<unknown>();
  const asking = (async () => {
    while (!over) {
      seen.add(await other.encode());
      seen.add(await other.isReady());
    }
  })();
  await one.load(second);
  expect(await one.encode()).toBe(second);
  await expect.poll(() => other.encode(), soon).toBe(second);
  over = true;
  await asking;
  expect(seen).toEqual(new Set([first, second, true]));
  expect([await one.metric(GENERATION), await other.metric(GENERATION)]).toEqual([2, 2]);
});

it('a roll-back on either reaches both, and names too', async () => {
  const [first, , third] = checkpoints;
  await other.rollBack();
  expect(await other.encode()).toBe(first);
  await expect.poll(() => one.encode(), soon).toBe(first);
  await other.load(third, { standby: true, alias: 'canary' });
  await expect.poll(() => one.encode('canary').catch(({ code }) => code), soon).toBe(third);
  await one.setDefault('canary');
  await expect.poll(() => other.encode(), soon).toBe(third);
  expect(await one.places()).toEqual([third, first]);
});

it('told different things at once, both end on the same, one choice made on top of the other', async () => {
  const [first, second] = checkpoints;
  const { generation } = await new ChoiceLog(under.store).newest();
  await Promise.all([one.load(first), other.load(second)]);
  const last = await new ChoiceLog(under.store).newest();
  expect(last.generation).toBe(generation + 2);
  expect([last.choice!.checkpoint, last.choice!.previous].toSorted()).toEqual([first, second].toSorted());
  for (const encoder of [one, other]) {
    await expect.poll(() => encoder.encode(), soon).toBe(last.choice!.checkpoint);
    await expect.poll(() => encoder.metric(GENERATION), soon).toBe(last.generation);
  }
});

it('a choice that an encoder cannot load leaves it on the old model, counted, until a better one is made', async () => {
  const log = new ChoiceLog(under.store);
  const served = await one.encode();
  const newest = await log.newest();
  await log.append(newest, { checkpoint: sha256('gone'), previous: served, aliases: {}, standby: [] });
  await expect
    .poll(() => other.metric('medformer_encoder_choice_failures_total'), soon)
    .toBeGreaterThanOrEqual(1);
  expect([await other.encode(), await other.isReady()]).toEqual([served, true]);
  await expect(one.load(sha256('nothing'))).rejects.toMatchObject({
    code: status.NOT_FOUND,
  });
  await one.rollBack();
  expect(await one.encode()).toBe(served);
  await expect.poll(() => other.metric(GENERATION), soon).toBe(newest.generation + 2);
  expect(await other.encode()).toBe(served);
});
