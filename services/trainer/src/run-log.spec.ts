import { describe, expect, it } from 'vitest';
import { RunLog } from './run-log.js';

const { signal } = new AbortController();

async function read(log: RunLog, options: { follow?: boolean; tailLines?: number } = {}): Promise<string> {
  let text = '';
  for await (const chunk of log.read({ follow: false, tailLines: 0, ...options }, signal)) text += chunk;
  return text;
}

describe('the log of a run', () => {
  it('gives whole lines, all of them or the last', async () => {
    const log = new RunLog();
    log.write('one\ntw');
    expect(await read(log)).toBe('one\n');
    log.write('o\nthree\n');
    expect(await read(log, { tailLines: 2 })).toBe('two\nthree\n');
  });

  it('is followed until the run’s process ends, with what it had not ended as a line', async () => {
    const log = new RunLog();
    log.write('one\n');
    const followed = read(log, { follow: true });
    await new Promise((resolve) => setImmediate(resolve));
    log.write('two\nrest');
    log.close();
    expect(await followed).toBe('one\ntwo\nrest\n');
  });

  it('keeps the newest lines of a run that writes for days', async () => {
    const log = new RunLog();
    for (let line = 0; line < 6000; line += 1) log.write(`${line}\n`);
    const lines = (await read(log)).trimEnd().split('\n');
    expect(lines).toHaveLength(5000);
    expect([lines[0], lines.at(-1)]).toEqual(['1000', '5999']);
  });
});
