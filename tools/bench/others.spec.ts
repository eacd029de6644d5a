import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { watchOthers } from './others.mjs';

it('counts what others take of the machine, and not what the watched processes take', async () => {
  const busy = spawn(process.execPath, ['-e', 'for (;;);']);
  await once(busy, 'spawn');
  const withoutIt = watchOthers([process.pid]);
  const withIt = watchOthers([process.pid, busy.pid!]);
  await wait(400);

  const [asOther, asOwn] = [withoutIt(), withIt()];

  busy.kill();
  await once(busy, 'exit');
  expect(asOther).toBeGreaterThan(asOwn);
  expect(asOwn).toBeGreaterThanOrEqual(0);
  expect(asOther).toBeLessThanOrEqual(1);
});
