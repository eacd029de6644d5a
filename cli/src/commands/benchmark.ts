import { join } from 'node:path';
import type { Command } from 'commander';
import { collect } from '../arguments.js';
import type { WithContext } from '../context.js';
import { readBenchmarkPlan } from '../medmnist/benchmark-plan.js';
import { benchmarkTables } from '../medmnist/benchmark-tables.js';
import { runBenchmark, toSummary } from '../medmnist/run-benchmark.js';

interface Options {
  root: string;
  sets: string;
  plan: string;
  set: string[];
  output: string;
  allowMd5Mismatch: boolean;
}

export function registerBenchmark(program: Command, bind: WithContext): void {
  program
    .command('benchmark')
    .description('train and test a whole benchmark')
    .command('medmnist')
    .description(
      "the thesis's tables over MedMNIST: each task alone, all with one set of weights, and self-supervision before",
    )
    .requiredOption('--root <folder>', "where MedMNIST's npz files are, e.g. ~/.medmnist")
    .option('--sets <list>', 'all, found (those that have a file), or names by comma', 'all')
    .option('--plan <file>', 'what is run', join('experiments', 'medmnist', 'benchmark.yaml'))
    .option('--set <key=value>', 'override a key of the plan, e.g. phases.st.steps=1000', collect, [])
    .option('-o, --output <folder>', 'result files and results.json', 'medmnist-results')
    .option('--allow-md5-mismatch', 'own data in the form of the sets, or old releases', false)
    .addHelpText(
      'after',
      `
Examples:
  $ medformer benchmark medmnist --root ~/.medmnist --sets breastmnist,retinamnist
  $ medformer benchmark medmnist --root ~/.medmnist --sets found --set size=64 --set 'seeds=[0]'

Interrupted at any point, the same command goes on; what is done is found, not done again. Several of these commands may
share the services, each with other --sets and --set 'regimes=[st, ssl-st]'; a last one with all sets and regimes trains what
is on all of them together, finds the rest done and prints the tables.
The output has MedMNIST's own result files: python -m medmnist evaluate --path FILE reads them.`,
    )
    .action(
      bind(async (context, { root, sets, plan: file, set, output, allowMd5Mismatch }: Options) => {
        const wanted = sets.split(',');
        const plan = await readBenchmarkPlan(file, { root, wanted, overrides: set });
        const results = await runBenchmark(context, plan, { output, allowMd5Mismatch });
        context.terminal.result(
          { size: plan.size, seeds: plan.seeds, sets: results.map(toSummary) },
          `\n${benchmarkTables(plan, results, { ownData: allowMd5Mismatch })}`,
        );
      }),
    );
}
