#!/usr/bin/env node
/**
 * What each stage takes: the five services as processes of their own, as pods have them, go through ingest, augmentation,
 * training, evaluation and encoding of a phantom cohort. Prints each one's largest resident memory, child processes
 * included, idle and at its work, and its processor time.
 *
 *   node tools/sizing.mjs [--spec experiments/demo/simclr.yaml] [--steps 30] [--model nano]
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { freePort } from '../libs/object-store/dist/testing/index.js';
import { table } from './bench/print.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STAGES = ['ingestion', 'augmentation', 'trainer', 'evaluation', 'encoder'];
const SAMPLE_MS = 200;
const TICKS_PER_SECOND = 100;
const PAGE_MIB = 4096 / 2 ** 20;
const { values } = parseArgs({
  options: {
    spec: { type: 'string', default: 'experiments/demo/simclr.yaml' },
    steps: { type: 'string', default: '30' },
    model: { type: 'string', default: 'nano' },
  },
});

const data = mkdtempSync(join(tmpdir(), 'medformer-sizing-'));
const env = { ...process.env };
const services = new Map();
let sampling;
try {
  for (const stage of STAGES) await start(stage);
  sampling = setInterval(sample, SAMPLE_MS);
  sample();
  for (const service of services.values()) service.idle = service.peak;
  await medformer('ingest', 'phantom', '--name', 'phantom', '--seed', '7', '--patients', '120');
  await medformer('views', 'phantom', '--output', join(data, 'views'), '--method', 'simclr');
  const size = ['--set', `model=${values.model}`, '--set', `steps=${values.steps}`];
  const { checkpoint } = await medformer('train', values.spec, ...size);
  const scored = ['--dataset', 'phantom', '--task', 'region', '--labels-per-class', '10'];
  await medformer('evaluate', ...scored, '--entry', `kNN:knn:${checkpoint}`);
  await medformer('serve', checkpoint);
  clearInterval(sampling);
  sample();
  const rows = [...services].map(([stage, { idle, peak, processes, seconds }]) => [
    stage,
    ...[idle, peak].map((mib) => mib.toFixed(0)),
    String(processes),
    seconds.toFixed(0),
  ]);
  console.log(table([['stage', 'MiB idle', 'MiB at most', 'processes', 'processor s'], ...rows]));
  console.log(
    `${values.spec}, model ${values.model}, ${values.steps} steps; load ${loadavg()[0].toFixed(0)}`,
  );
} finally {
  clearInterval(sampling);
  for (const { child } of services.values()) {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  rmSync(data, { recursive: true, force: true });
}

async function start(stage) {
  const [port, metricsPort] = [await freePort(), await freePort()];
  env[`MEDFORMER_${stage.toUpperCase()}_ADDRESS`] = `localhost:${port}`;
  const settings = { data, port, 'metrics-port': metricsPort, 'probe-port': 0, 'log-level': 'error' };
  const argv = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const child = fork(join(ROOT, 'services', stage, 'dist/main.js'), argv, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  services.set(stage, { child, peak: 0, processes: 0, seconds: 0, running: new Map() });
  for (;;) {
    const ready = await fetch(`http://localhost:${metricsPort}/readyz`).catch(() => undefined);
    if (ready?.ok) return;
    if (child.exitCode !== null) throw new Error(`${stage} ended`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function medformer(...argv) {
  const began = performance.now();
  const program = [join(ROOT, 'cli/bin/medformer.js'), '--json', ...argv];
  const options = { cwd: ROOT, env, maxBuffer: 2 ** 28 };
  const { stdout } = await promisify(execFile)(process.execPath, program, options);
  console.error(`${argv[0]}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return JSON.parse(stdout);
}

/** Resident memory and processor time of each service and its descendants. */
function sample() {
  const found = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name stands in brackets and may hold anything.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      const [parent, user, system, pages] = [1, 11, 12, 21].map((at) => Number(fields[at]));
      found.set(Number(pid), { parent, ticks: user + system, mib: pages * PAGE_MIB });
    } catch {
      // It has ended meanwhile.
    }
  }
  for (const service of services.values()) {
    const own = [...found].filter(([pid]) => descends(found, pid, service.child.pid));
    const mib = own.reduce((sum, [, each]) => sum + each.mib, 0);
    service.peak = Math.max(service.peak, mib);
    service.processes = Math.max(service.processes, own.length);
    for (const [pid, { ticks }] of own) service.running.set(pid, ticks);
    service.seconds = [...service.running.values()].reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND;
  }
}

function descends(found, pid, ancestor) {
  for (let at = pid; at > 1; at = found.get(at)?.parent ?? 0) if (at === ancestor) return true;
  return false;
}
