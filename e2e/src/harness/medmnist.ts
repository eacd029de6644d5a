import { join } from 'node:path';
import { execa } from 'execa';
import { ROOT } from './services.js';

const SMALL = [
  'picks=2',
  'seeds=[0]',
  'common.model={width: 24, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 8, frequencies: 3}',
  'common.batchSize=16',
  'phases.st.steps=4',
  'sets.chestmnist.phases.ssl.steps=2',
  'phases.ssl-all.batchSize=8',
  'phases.ssl-all.steps=2',
  'phases.mt.accumulate=2',
  'phases.mt.steps=60',
].flatMap((setting) => ['--set', setting]);

/** Sets of a few patients in the form of MedMNIST's, in `folder/root`. */
export async function makeSets(folder: string, sets: readonly string[]): Promise<void> {
  const program = join(ROOT, 'tools/medmnist/phantom-sets.mjs');
  const counts = ['--patients', '16', '--volume-patients', '8', '--sets', sets.join()];
  await execa(process.execPath, [program, join(folder, 'root'), ...counts]);
}

/** The benchmark's command over the sets of `folder`, small enough for tests; its files come into `folder/out`. */
export const smallBenchmark = (folder: string, ...more: string[]) => [
  'benchmark',
  'medmnist',
  '--root',
  join(folder, 'root'),
  '-o',
  join(folder, 'out'),
  ...SMALL,
  ...more,
];
