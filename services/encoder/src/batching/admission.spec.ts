import { expect, it } from 'vitest';
import { Admission } from './admission.js';

const signal = new AbortController().signal;

it('refuses the image for which there is no place, with the reason first', () => {
  const admission = new Admission({ images: 2, bytes: 100 });
  const first = admission.enter(10);
  admission.enter(10);
  expect(() => admission.enter(10)).toThrow(/^queue-full: 2 images wait already$/);
  first.begin();
  first.begin();
  expect(admission.waiting).toBe(1);
  admission.enter(10);
});

it('counts bytes until the answer, at their decoded size', () => {
  const admission = new Admission({ images: 9, bytes: 100 });
  const place = admission.enter(10);
  place.resize(90);
  place.begin();
  expect(() => admission.enter(20)).toThrow(/^bytes-full: /);
  const other = admission.enter(5);
  expect(() => other.resize(50)).toThrow(/^bytes-full: /);
  expect(admission.pendingBytes).toBe(90);
  place.leave();
  place.leave();
  other.leave();
  expect([admission.waiting, admission.pendingBytes]).toEqual([0, 0]);
});

it('lets one that waits in as soon as another leaves, or go when it is cancelled', async () => {
  const admission = new Admission({ images: 1, bytes: 100 });
  const place = admission.enter(1);
  const controller = new AbortController();
  const given = admission.enterWhenRoom(1, controller.signal);
  const second = admission.enterWhenRoom(1, signal);
  controller.abort(new Error('gone'));
  await expect(given).rejects.toThrow('gone');
  place.leave();
  (await second).leave();
  expect([admission.waiting, admission.pendingBytes]).toEqual([0, 0]);
});

it('wakes all that find room after one large image left', async () => {
  const admission = new Admission({ images: 9, bytes: 100 });
  const large = admission.enter(100);
  const waiting = Promise.all([1, 2, 3].map(() => admission.enterWhenRoom(30, signal)));
  large.begin();
  large.leave();
  expect(await waiting).toHaveLength(3);
});
