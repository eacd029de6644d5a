#!/usr/bin/env node
/**
 * One set of weights beside a ResNet of each set's own, at equal training time: the processor time that the multi-task run
 * takes, over all sets together. Sets are of MedMNIST's form from the phantom cohort; medmnist's evaluator scores both.
 *
 *   node tools/medmnist/equal-time.mjs FOLDER --scorer PYTHON [--seeds 0,1,2] [--widths 16]
 *
 * A width of 64 is ResNet-18; 16 has about as many parameters as the model and takes a sixteenth of the time a step.
 *
 * Needs `make build native`, tools/bench/requirements.txt in .cache/bench-venv (`make bench` installs it) and for --scorer
 * what tools/golden/metrics.py names. What is in FOLDER already is not done again.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { findRunning, startStandalone } from '../standalone.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SPEC = 'experiments/medmnist/one-set-of-weights.yaml';
/** Classes or labels of each set. */
const SETS = { pneumoniamnist: 2, retinamnist: 5, chestmnist: 14, adrenalmnist3d: 2 };
const STEPS = 1000;
const EVERY = 100;
const PYTHON = '.cache/bench-venv/bin/python';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scorer: { type: 'string', default: 'python3' },
    seeds: { type: 'string', default: '0,1,2' },
    widths: { type: 'string', default: '16' },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('expected a folder to work in');
const seeds = values.seeds.split(',').map(Number);
const widths = values.widths.split(',').map(Number);
const sets = Object.keys(SETS);
const archives = join(folder, 'sets');
const results = join(folder, 'results');

if (!existsSync(archives))
  await run(process.execPath, 'tools/medmnist/phantom-sets.mjs', archives, '--sets', sets.join());
const data = join(folder, 'data');
const services =
  (await findRunning(data)) ?? (await startStandalone({ data, log: join(folder, 'services.log') }));
const { pid } = JSON.parse(readFileSync(join(data, 'services.json'), 'utf8'));
const times = [];
try {
  for (const set of sets)
    await medformer('ingest', join(archives, `${set}.npz`), '--name', `${set}-28`, '--allow-md5-mismatch');
  for (const seed of seeds) {
    const time = await trainTogether(seed);
    times.push(time);
    for (const width of widths)
      for (const set of sets) await trainAlone(set, seed, width, time.seconds / sets.length);
  }
} finally {
  await services.stop?.();
}
console.log(JSON.stringify({ times }));
console.log(await run(values.scorer, 'tools/medmnist/compare.py', archives, results));

/** Trains, picks by the validation splits, writes the result files of the test splits; what it took is kept in a file. */
async function trainTogether(seed) {
  const kept = join(folder, `together-seed-${seed}.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'));
  const before = processorSeconds(pid);
  const began = performance.now();
  const { run: trained } = await medformer('train', SPEC, '--set', `seed=${seed}`);
  const seconds = processorSeconds(pid) - before;
  const wall = (performance.now() - began) / 1000;

  const steps = Array.from({ length: STEPS / EVERY }, (_, at) => (at + 1) * EVERY);
  const sums = steps.map(() => 0);
  for (const set of sets) {
    const { record } = await evaluate(
      set,
      'val',
      steps.map((step) => [`step-${step}`, `run=${trained}@${step}`]),
    );
    record.rows.forEach(({ auc }, at) => {
      sums[at] += auc.mean;
    });
  }
  const step = steps[sums.indexOf(Math.max(...sums))];
  for (const set of sets) {
    const { report } = await evaluate(set, 'test', [[`together-seed-${seed}`, `run=${trained}@${step}`]]);
    await medformer('report', 'export', report, '--format', 'medmnist', '-o', join(results, 'together'));
  }
  const time = { seed, seconds: Math.round(seconds), wall: Math.round(wall), picked: step };
  await writeFile(kept, JSON.stringify(time));
  return time;
}

function evaluate(set, split, entries) {
  const dimensions = set.endsWith('3d') ? '3' : '2';
  return medformer(
    ...['evaluate', '--dataset', `${set}-28`, '--task', set, '--split', split, '--dimensions', dimensions],
    ...[
      '--seeds',
      '0',
      ...entries.flatMap(([label, checkpoint]) => ['--entry', `${label}:head:${checkpoint}`]),
    ],
  );
}

async function trainAlone(set, seed, width, seconds) {
  const output = join(results, `resnet18-${width}`);
  await mkdir(output, { recursive: true });
  const done = (await readdir(output)).some(
    (name) => name.startsWith(`${set}_`) && name.endsWith(`-seed-${seed}.csv`),
  );
  if (done) return;
  const options = { seconds, seed, width, classes: SETS[set], output };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  console.log((await run(PYTHON, 'tools/medmnist/resnet.py', join(archives, `${set}.npz`), ...flags)).trim());
}

function medformer(...argv) {
  return run(process.execPath, 'cli/bin/medformer.js', '--json', '--address', services.address, ...argv).then(
    JSON.parse,
  );
}

async function run(command, ...argv) {
  return (await promisify(execFile)(command, argv, { cwd: ROOT, maxBuffer: 2 ** 28 })).stdout;
}

/** Processor time of a process and all below it, ended ones too. */
function processorSeconds(ancestor) {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(statOf);
  const below = (parent) => processes.filter(({ ppid }) => ppid === parent).reduce(sum, 0);
  const sum = (total, each) => total + each.ticks + below(each.pid);
  return processes.filter(({ pid: own }) => own === ancestor).reduce(sum, 0) / 100;
}

function statOf(name) {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    return [{ pid: Number(name), ppid: fields[1], ticks: fields[11] + fields[12] + fields[13] + fields[14] }];
  } catch {
    // It ended while we looked; who waited for it has its time.
    return [];
  }
}
