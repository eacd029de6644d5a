import { expect, it } from 'vitest';
import { race, Side } from './side.mjs';

/** A side whose work waits, and which says what library's chatter would be. */
const program = (source: string) => ({
  command: process.execPath,
  arguments: [
    '--input-type=module',
    '-e',
    `import { serve } from ${JSON.stringify(new URL('serve.mjs', import.meta.url).href)};
     console.log('chatter');
     ${source}`,
  ],
});
const waits = (ms: number) =>
  program(`await serve(() => new Promise((done) => setTimeout(done, ${ms})), { ms: ${ms} }, {
    sum: ({ x, y }) => x + y,
    fail: () => { throw new Error('asked too much'); },
  });`);

it('lets warm processes take turns and keeps every time', async () => {
  const said: string[] = [];
  const { times, facts } = await race(
    { quick: waits(1), slow: waits(8) },
    { rounds: 2, seconds: 0 },
    (text) => said.push(text),
  );

  expect(facts).toEqual({ quick: { ms: 1 }, slow: { ms: 8 } });
  expect(times.quick).toHaveLength(2);
  expect(times.slow?.flat()).toHaveLength(6);
  expect(Math.min(...(times.slow?.flat() ?? []))).toBeGreaterThan(7);
  expect(said).toEqual(['quick: warming up', 'slow: warming up', 'round 1/2', 'round 2/2']);
});

it('answers questions, and says whose question failed', async () => {
  const side = await Side.start('calculator', waits(1));

  expect(await side.ask('sum', { x: 2, y: 3 })).toBe(5);
  await expect(side.ask('fail')).rejects.toThrow('calculator: asked too much');
  expect(await side.ask('sum', { x: 1, y: 1 })).toBe(2);
  await side.stop();
});

it('leaves out an optional side that does not start, with its last words, and no other', async () => {
  const broken = program(`console.error('no compiler'); process.exit(3);`);
  const { times, failed } = await race(
    { works: waits(1), broken: { ...broken, optional: true } },
    { rounds: 1, seconds: 0 },
    () => {},
  );

  expect(Object.keys(times)).toEqual(['works']);
  expect(failed.broken).toContain('no compiler');
  await expect(race({ broken }, { rounds: 1, seconds: 0 }, () => {})).rejects.toThrow('no compiler');
});
