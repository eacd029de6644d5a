import { tmpdir } from 'node:os';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { serveCompute } from '@medformer/compute';
import { openObjectStore } from '@medformer/object-store';
import { MedformerError } from '@medformer/schema';

const burn = (ms) => {
  for (const end = Date.now() + ms; Date.now() < end; );
};

serveCompute(
  {
    double: (values) => values.map((value) => value * 2),
    async count({ steps }, { progress }) {
      for (let step = 1; step <= steps; step += 1) progress({ step });
      return steps;
    },
    refuse() {
      throw new MedformerError('FAILED_PRECONDITION', 'no checkpoint yet');
    },
    crash() {
      throw new TypeError('x is not a function');
    },
    exit({ code }) {
      process.stderr.write('last words\n', () => process.exit(code));
      return sleep(10_000);
    },
    pid: () => process.pid,
    async pingStore() {
      await (await openObjectStore({ url: pathToFileURL(tmpdir()).href })).ping();
    },
    environment: (name) => process.env[name],
    async work(_, { signal }) {
      for (;;) {
        burn(10);
        await setImmediate();
        signal.throwIfAborted();
      }
    },
    async finishAfterCancel(_, { signal }) {
      while (!signal.aborted) await sleep(5);
      return `saved: ${signal.reason.code}`;
    },
    async ignoreCancel(_, { progress }) {
      progress('started');
      await sleep(60_000);
    },
    block({ ms }, { progress }) {
      progress('started');
      return sleep(50).then(() => burn(ms));
    },
  },
  { tensors: () => ({ tensors: 3, bytes: 12 }) },
);
