import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const STAGES = ['ingestion', 'augmentation', 'trainer', 'evaluation', 'encoder'] as const;

const READY_TIMEOUT_MS = 180_000;

/** Running services as a client sees them. */
export interface Services {
  /** What tells the command line where they are. */
  env: Record<string, string>;
  metricsUrls: string[];
  processes: ChildProcess[];
  /** Drains them; resolves when all are gone, with their exit codes. */
  stop(): Promise<(number | null)[]>;
}

/** All services in one process, on embedded defaults except for `settings`, by the names of their flags. */
export async function startStandalone(
  data: string,
  settings: Record<string, string> = {},
): Promise<Services> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const child = start('standalone', data, port, metricsPort, settings);
  const services = servicesOf([child], { MEDFORMER_ADDRESS: `localhost:${port}` }, [metricsPort]);
  await ready(services);
  return services;
}

/** The five services, each its own process on its own ports, sharing one object store; `settings` of each by flag names. */
export async function startSeparately(
  data: string,
  settings: (stage: (typeof STAGES)[number]) => Record<string, string> = () => ({}),
): Promise<Services> {
  const env: Record<string, string> = {};
  const metricsPorts: number[] = [];
  const processes: ChildProcess[] = [];
  for (const stage of STAGES) {
    const [port, metricsPort] = [await freePort(), await freePort()];
    env[`MEDFORMER_${stage.toUpperCase()}_ADDRESS`] = `localhost:${port}`;
    metricsPorts.push(metricsPort);
    processes.push(start(stage, data, port, metricsPort, settings(stage)));
  }
  const services = servicesOf(processes, env, metricsPorts);
  await ready(services);
  return services;
}

/** The encoder alone on these ports, once it is ready: its model loaded, if one was chosen. */
export async function startEncoder(
  data: string,
  { port, metricsPort }: { port: number; metricsPort: number },
  settings: Record<string, string> = {},
): Promise<Services> {
  const child = start('encoder', data, port, metricsPort, settings);
  const services = servicesOf([child], { MEDFORMER_ENCODER_ADDRESS: `localhost:${port}` }, [metricsPort]);
  await ready(services);
  return services;
}

function start(
  service: string,
  data: string,
  port: number,
  metricsPort: number,
  more: Record<string, string> = {},
): ChildProcess {
  mkdirSync(data, { recursive: true });
  const settings = { data, port, 'metrics-port': metricsPort, 'probe-port': 0, ...more };
  const argv = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
  // IPC: a service goes when this test run goes, however it goes.
  const child = fork(join(ROOT, 'services', service, 'dist/main.js'), argv, {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log = createWriteStream(join(data, `${service}.log`), { flags: 'a' });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  return child;
}

function servicesOf(
  processes: ChildProcess[],
  env: Record<string, string>,
  metricsPorts: number[],
): Services {
  const exits = processes.map((child) => once(child, 'exit') as Promise<[number | null]>);
  return {
    env,
    metricsUrls: metricsPorts.map((port) => `http://127.0.0.1:${port}`),
    processes,
    async stop() {
      for (const child of processes) if (child.exitCode === null) child.kill('SIGTERM');
      return (await Promise.all(exits)).map(([code]) => code);
    },
  };
}

async function ready({ metricsUrls, processes }: Services): Promise<void> {
  const started = Date.now();
  for (const [index, url] of metricsUrls.entries()) {
    while (!(await answers(`${url}/readyz`))) {
      const gone = processes.find((child) => child.exitCode !== null);
      if (gone !== undefined)
        throw new Error(`${gone.spawnargs[1]} ended with ${gone.exitCode}; see its log`);
      if (Date.now() - started > READY_TIMEOUT_MS) throw new Error(`service ${index} is not ready: ${url}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  );
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
