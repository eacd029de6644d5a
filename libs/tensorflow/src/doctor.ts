import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BackendInfo, backendInfo } from './backend.js';

/** What `medformer doctor` prints: this machine's fitness to run the native backend. */
export interface Diagnosis extends BackendInfo {
  /** Version of Node, as `v20.20.2`. */
  node: string;
  cpus: number;
  /** Memory this process may use: the machine's, or its container's limit. */
  memoryBytes: number;
  freeMemoryBytes: number;
  /** float32 matrix product of 512 by 512, in 10^9 operations per second; undefined when nothing loads. */
  matMulGflops: number | undefined;
}

/** tfjs-node 4.22 calls functions that Node 23 removed. */
const FIRST_UNSUPPORTED_NODE = 23;

/**
 * Loads the native backend in a child process, since a broken library may take its process down, and measures it.
 * Never throws for what it finds: that is in `missing` and `remedies`.
 *
 * @param options.timeoutMs how long the child may take, default 60 s
 */
export async function diagnose({ timeoutMs = 60_000 }: { timeoutMs?: number } = {}): Promise<Diagnosis> {
  const here = backendInfo();
  const machine = {
    node: process.version,
    cpus: availableParallelism(),
    memoryBytes: memoryLimit(),
    freeMemoryBytes: Math.min(freemem(), memoryLimit()),
  };
  const unusable = { ...here, backend: 'none' as const, ...machine, matMulGflops: undefined };
  if (Number.parseInt(process.versions.node, 10) >= FIRST_UNSUPPORTED_NODE) {
    return {
      ...unusable,
      missing: [`Node ${process.version} is newer than tfjs-node supports`, ...here.missing],
      remedies: ['run Medformer with Node 20.20 or 22', ...here.remedies],
    };
  }
  if (here.missing.length > 0) return unusable;
  const probe = await probeNative(timeoutMs);
  if ('failure' in probe) {
    return {
      ...unusable,
      missing: [`native TensorFlow does not run: ${probe.failure}`],
      remedies: ['remove the cached binding (.cache/tfjs-binding) and run "node tools/native/install.mjs"'],
    };
  }
  return { ...probe, ...machine };
}

type Probe = BackendInfo & { matMulGflops: number };

const PROBE = `
const { tf, useBackend } = await import(process.argv[1]);
const info = await useBackend();
const square = tf.ones([512, 512]);
const product = () => square.matMul(square).dataSync()[0];
if (product() !== 512) throw new Error('a matrix product is wrong');
const started = performance.now();
for (let run = 0; run < 10; run++) product();
const seconds = (performance.now() - started) / 1e3;
console.log(JSON.stringify({ ...info, matMulGflops: Math.round((10 * 2 * 512 ** 3) / seconds / 1e8) / 10 }));
`;

function probeNative(timeoutMs: number): Promise<Probe | { failure: string }> {
  const root = dirname(createRequire(import.meta.url).resolve('../package.json'));
  const library = pathToFileURL(join(root, 'dist/index.js')).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROBE, library], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ failure: error.message }));
    child.on('close', (status, signal) => {
      const last = output.stdout.trim().split('\n').at(-1) ?? '';
      if (status === 0) resolve(JSON.parse(last) as Probe);
      else resolve({ failure: signal ? `its process was killed by ${signal}` : reason(output.stderr) });
    });
  });
}

/** The line of an uncaught error that says what happened. */
function reason(stderr: string): string {
  const lines = stderr.trim().split('\n');
  return lines.find((line) => /error:/i.test(line))?.trim() ?? lines.at(-1)?.trim() ?? 'no reason given';
}

/** Node reports 0 or an absurd number where no container limits it. */
function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
