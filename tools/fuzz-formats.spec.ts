import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const FUZZ = fileURLToPath(new URL('fuzz-formats.mjs', import.meta.url));

it('ends 700 damaged files of every format as images or as refusals that name file and reason', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [FUZZ, '--count', '700', '--seed', '3']);
  expect(stdout).toMatch(/^700 damaged files of \d+: \d+ read, \d+ refused, 0 faults;/);
});
