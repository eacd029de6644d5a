#!/usr/bin/env node
/**
 * What a size that no training saw costs: the phantom cohort taken again with other pixels over the same field of view, and
 * kNN on it, with training images of the usual size and of its own.
 *
 *   node tools/sizes.mjs            (services on MEDFORMER_DATA, default .medformer; again to go on)
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findRunning, startStandalone } from './standalone.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COHORT = ['--seed', '7', '--patients', '220'];
/** The demo's own cohort; then others, whose subjects are in the same splits. */
const USUAL = { name: 'phantom', shape: { 2: '28x28', 3: '28x28x28' } };
const OTHERS = [
  { name: 'phantom-20', shape: { 2: '20x20', 3: '40x28x20' } },
  { name: 'phantom-96', shape: { 2: '96x96' } },
];
const RUNS = { 2: 'experiments/demo/simclr.yaml', 3: 'experiments/sizes/simclr-3d.yaml' };

const data = process.env.MEDFORMER_DATA ?? join(ROOT, '.medformer');
const running = await findRunning(data);
const services = running ?? (await startStandalone({ data, log: join(data, 'services.log') }));
try {
  for (const { name, shape } of [USUAL, ...OTHERS]) {
    const volumes = shape[3] ? ['--volume-patients', '32', '--volume-shape', shape[3]] : [];
    const shapes = name === USUAL.name ? volumes.slice(0, 2) : ['--image-shape', shape[2], ...volumes];
    await medformer('ingest', 'phantom', '--name', name, ...COHORT, ...shapes);
  }
  const rows = [];
  for (const [dimensions, spec] of Object.entries(RUNS)) {
    const { checkpoint } = await medformer('train', spec);
    const score = async (scored, bank) => {
      const { record } = await medformer(
        ...['evaluate', '--dataset', scored.name, '--task', 'region', '--labels-per-class', '10'],
        ...(bank === scored ? [] : ['--train-dataset', bank.name]),
        ...['--dimensions', dimensions, '--entry', `kNN:knn:${checkpoint}`],
      );
      const [{ accuracy, auc }] = record.rows;
      rows.push([scored.shape[dimensions], bank.shape[dimensions], percent(accuracy), percent(auc)]);
    };
    await score(USUAL, USUAL);
    for (const other of OTHERS.filter(({ shape }) => shape[dimensions])) {
      await score(other, USUAL);
      await score(other, other);
    }
  }
  console.log('| test images | training images | kNN, accuracy | kNN, AUC |\n|---|---|---|---|');
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
} finally {
  await services.stop?.();
}

async function medformer(...argv) {
  const cli = join(ROOT, 'cli/bin/medformer.js');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [cli, '--json', '--address', services.address, ...argv],
    { cwd: ROOT, maxBuffer: 2 ** 28 },
  );
  return JSON.parse(stdout);
}

function percent({ mean, std }) {
  return `${(100 * mean).toFixed(1)} ± ${(100 * std).toFixed(1)}`;
}
