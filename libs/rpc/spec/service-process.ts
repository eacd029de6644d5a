// The service of service.mjs as a process, on free ports unless told.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SERVICE = fileURLToPath(new URL('./service.mjs', import.meta.url));

export interface ServiceProcess {
  child: ChildProcess;
  port: number;
  metricsPort: number;
  probePort: number;
  /** Exit code; of a process that a signal ended, the signal. */
  ended: Promise<number | string>;
}

export async function startServiceProcess(data: string, ...flags: string[]): Promise<ServiceProcess> {
  const argv = [SERVICE, '--data', data, '--port', '0', '--metrics-port', '0', '--probe-port', '0', ...flags];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  const listening = once(child, 'message').then(([message]) => message as Omit<ServiceProcess, 'child'>);
  const started = await Promise.race([
    listening,
    ended.then((code) => {
      throw new Error(`the service ended with ${code}`);
    }),
  ]);
  return { ...started, child, ended };
}
