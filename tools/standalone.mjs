/**
 * The standalone services as a child of this process. They watch the pipe between the two: whatever ends this
 * process, SIGKILL included, ends them too, so that nothing is left running.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../services/standalone/dist/main.js', import.meta.url));
const GRPC_PORT = 50050;
const METRICS_PORT = 9464;
/** A busy machine needs a while to load TensorFlow. */
const READY_TIMEOUT_MS = 180_000;

/**
 * Starts the services on a data folder, on the default ports where those are free. `log` takes their output; without
 * it the output goes to this terminal.
 * @param {{ data: string, log?: string }} options
 */
export async function startStandalone({ data, log }) {
  mkdirSync(data, { recursive: true });
  const output = log === undefined ? 'inherit' : openSync(log, 'a');
  const settings = {
    data,
    port: await freePort(GRPC_PORT),
    'metrics-port': await freePort(METRICS_PORT),
    'probe-port': 0,
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const child = fork(MAIN, flags, {
    stdio: ['ignore', output, output, 'ipc'],
    // Their own group, so that Ctrl-C reaches the client alone, which then cancels its work in good order.
    detached: true,
  });
  const ended = once(child, 'exit');
  const refuse = () => {
    child.kill('SIGKILL');
    throw new Error(`the services did not start${log === undefined ? '' : `; see ${log}`}`);
  };
  const started = Date.now();
  const timeout = AbortSignal.timeout(READY_TIMEOUT_MS);
  // The child itself says where it listens: whoever answers at a port that was free a moment ago may be another.
  const listening = once(child, 'message', { signal: timeout }).then(([message]) => message);
  const { port, metricsPort } =
    (await Promise.race([listening, ended.then(() => undefined)]).catch(refuse)) ?? refuse();
  while (!(await isReady(metricsPort))) {
    if (child.exitCode !== null || Date.now() - started > READY_TIMEOUT_MS) refuse();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const address = `localhost:${port}`;
  writeFileSync(join(data, 'services.json'), JSON.stringify({ pid: child.pid, address, metricsPort }));
  return {
    address,
    metricsPort,
    ended,
    /** Drains and stops them. */
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
    },
  };
}

/**
 * Services that already run on this data folder, e.g. by `make up`: two on one folder would train twice.
 * @param {string} data
 * @returns {Promise<{ address: string, metricsPort: number } | undefined>}
 */
export async function findRunning(data) {
  try {
    const known = JSON.parse(readFileSync(join(data, 'services.json'), 'utf8'));
    process.kill(known.pid, 0);
    return (await isReady(known.metricsPort)) ? known : undefined;
  } catch {
    return undefined;
  }
}

async function isReady(metricsPort) {
  try {
    return (await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).ok;
  } catch {
    return false;
  }
}

async function freePort(wanted) {
  for (const candidate of [wanted, 0]) {
    const server = createServer();
    try {
      server.listen(candidate, '0.0.0.0');
      await once(server, 'listening');
      return server.address().port;
    } catch {
      // Taken: the system chooses one.
    } finally {
      server.close();
    }
  }
  throw new Error('no free port');
}
