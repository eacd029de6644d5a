import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { serveCompute } from '@medformer/compute';
import { MedformerError } from '@medformer/schema';

const burn = (ms) => {
  for (const end = Date.now() + ms; Date.now() < end; );
};

serveCompute({
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
});
