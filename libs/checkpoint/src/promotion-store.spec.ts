import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFilesystemStore } from '@medformer/object-store';
import { GateSpec, type Promotion } from '@medformer/schema';
import { expect, it } from 'vitest';
import { isPromoted, isReferred, listPromotions, putPromotion, wasPromoted } from './index.js';

const [candidate, served, other] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
];
const gate = GateSpec.parse({ dataset: 'd'.repeat(64), task: 'region', minimum: 0.5 });

function decided(promoted: boolean, instead?: string): Promotion {
  return {
    kind: 'medformer.promotion.v1',
    gate,
    candidate,
    ...(instead ? { served: instead } : {}),
    report: 'e'.repeat(64),
    score: 0.9,
    promoted,
    reasons: promoted ? [] : ['too bad'],
    codeVersion: '1',
  };
}

it('lets a candidate take only the place that a gate gave it, and keeps it from being pruned', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'medformer-promotion-'));
  const store = await openFilesystemStore(folder);
  await putPromotion(store, decided(false, other));
  expect(await isReferred(store, candidate)).toBe(false);
  expect(await wasPromoted(store, candidate)).toBe(false);
  await putPromotion(store, decided(true, served));

  expect(await isPromoted(store, candidate, served)).toBe(true);
  expect(await isPromoted(store, candidate, other)).toBe(false);
  expect(await isPromoted(store, candidate, undefined)).toBe(false);
  expect(await isPromoted(store, served, candidate)).toBe(false);
  expect(await wasPromoted(store, candidate)).toBe(true);
  expect(await wasPromoted(store, served)).toBe(false);
  expect(await isReferred(store, candidate)).toBe(true);
  const all = await listPromotions(store);
  expect(all.map(({ promotion }) => promotion.promoted).sort()).toEqual([false, true]);
  expect(await listPromotions(store, served)).toEqual([]);
  await rm(folder, { recursive: true });
});
