import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { collect, integers, positive, words } from '../arguments.js';
import type { WithContext } from '../context.js';
import { readBenchmarkPlan } from '../medmnist/benchmark-plan.js';
import { benchmarkTables } from '../medmnist/benchmark-tables.js';
import { runBenchmark, toSummary } from '../medmnist/run-benchmark.js';
import { fewLabelTables, readFewLabelPlan, runFewLabel } from '../protocols/few-label.js';
import { readTransferPlan, runTransfer, transferTables } from '../protocols/transfer.js';
import { openSchedule, PARALLEL_FLAG } from '../schedule.js';
import type { Spec } from '../spec-file.js';

interface MedmnistOptions {
  parallel?: number;
  root: string;
  sets: string;
  plan: string;
  set: string[];
  output: string;
  allowMd5Mismatch: boolean;
}

interface FewLabelOptions {
  parallel?: number;
  set: string[];
  dataset?: string;
  task?: string;
  checkpoint: string[];
  percents?: number[];
  seeds?: number[];
}

interface TransferOptions {
  parallel?: number;
  set: string[];
  dataset?: string;
  task?: string;
  modalities?: string[];
  seeds?: number[];
}

export function registerBenchmark(program: Command, bind: WithContext): void {
  const benchmark = program.command('benchmark').description('train and test a whole benchmark, by one plan');
  registerMedmnist(benchmark, bind);
  registerFewLabel(benchmark, bind);
  registerTransfer(benchmark, bind);
}

function registerMedmnist(benchmark: Command, bind: WithContext): void {
  benchmark
    .command('medmnist')
    .description(
      "the thesis's tables over MedMNIST: each task alone, all with one set of weights, and self-supervision before",
    )
    .requiredOption('--root <folder>', "where MedMNIST's npz files are, e.g. ~/.medmnist")
    .option('--sets <list>', 'all, found (those that have a file), or names by comma', 'all')
    .option('--plan <file>', 'what is run', join('experiments', 'medmnist', 'benchmark.yaml'))
    .option('--set <key=value>', 'override a key of the plan, e.g. phases.st.steps=1000', collect, [])
    .option('-o, --output <folder>', 'result files and results.json', 'medmnist-results')
    .option(...PARALLEL_FLAG, positive)
    .option('--allow-md5-mismatch', 'own data in the form of the sets, or old releases', false)
    .addHelpText(
      'after',
      `
Examples:
  $ medformer benchmark medmnist --root ~/.medmnist --sets breastmnist,retinamnist
  $ medformer benchmark medmnist --root ~/.medmnist --sets found --set size=64 --set 'seeds=[0]'

Interrupted at any point, the same command goes on; what is done is found, not done again. What does not wait for another run
trains beside it, up to --parallel; the tables are the same. A run that fails is named at the end and leaves a gap.
The output has MedMNIST's own result files: python -m medmnist evaluate --path FILE reads them.`,
    )
    .action(
      bind(async (context, { root, sets, plan: file, set, parallel, ...options }: MedmnistOptions) => {
        const wanted = sets.split(',');
        const plan = await readBenchmarkPlan(file, { root, wanted, overrides: set });
        const schedule = await openSchedule(context, parallel);
        const results = await runBenchmark(schedule, plan, options);
        const { failures } = schedule;
        context.terminal.result(
          { size: plan.size, seeds: plan.seeds, sets: results.map(toSummary), failures },
          `\n${benchmarkTables(plan, results, { ownData: options.allowMd5Mismatch })}`,
        );
        schedule.throwFailures();
      }),
    );
}

function registerFewLabel(benchmark: Command, bind: WithContext): void {
  benchmark
    .command('few-label')
    .description(
      'weights by 1, 5, 10 and 100 % of the labels: linear probe, kNN, fine-tuned, and from scratch',
    )
    .argument('[plan]', 'what is run', join('experiments', 'protocols', 'few-label.yaml'))
    .option('--dataset <dataset>', 'name or manifest address')
    .option('--task <slug>', "one of the dataset's label spaces")
    .option(
      '--checkpoint <label=checkpoint>',
      "weights to judge in place of the plan's: an address, run=ID or run=ID@best; may be repeated",
      collect,
      [],
    )
    .option('--percents <list>', "percent of each class's training labels, e.g. 1,5,10,100", numbers)
    .option('--seeds <list>', 'e.g. 0,1,2', integers)
    .option(...PARALLEL_FLAG, positive)
    .option('--set <key=value>', 'override a key of the plan, e.g. fineTune.steps=200', collect, [])
    .addHelpText(
      'after',
      `
Examples:
  $ medformer benchmark few-label --dataset phantom --task region
  $ medformer benchmark few-label --dataset phantom --task region --checkpoint "Mine=run=$RUN" --percents 5,100

Interrupted at any point, the same command goes on; what is done is found, not done again.`,
    )
    .action(
      bind(async (context, file: string, { set, checkpoint, parallel, ...options }: FewLabelOptions) => {
        const named = checkpoint.length > 0 ? { pretrained: checkpoint.map(parseCheckpoint) } : {};
        const plan = await readFewLabelPlan(file, set, { ...options, ...named });
        const schedule = await openSchedule(context, parallel);
        const scored = await runFewLabel(schedule, plan);
        const { report, record, entries } = scored;
        context.terminal.result(
          { report, record, entries },
          `${fewLabelTables(plan, scored)}\nreport ${report}`,
        );
        schedule.throwFailures();
      }),
    );
}

function registerTransfer(benchmark: Command, bind: WithContext): void {
  benchmark
    .command('transfer')
    .description('weights pretrained on one modality, tested on every other')
    .argument('[plan]', 'what is run', join('experiments', 'protocols', 'transfer.yaml'))
    .option('--dataset <dataset>', 'name or manifest address')
    .option('--task <slug>', "one of the dataset's label spaces")
    .option('--modalities <list>', 'e.g. ct,mri', words)
    .option('--seeds <list>', 'e.g. 0,1,2', integers)
    .option(...PARALLEL_FLAG, positive)
    .option('--set <key=value>', 'override a key of the plan, e.g. pretrain.steps=200', collect, [])
    .addHelpText(
      'after',
      `
Examples:
  $ medformer benchmark transfer --dataset phantom --task region --modalities ct,mri

Interrupted at any point, the same command goes on; what is done is found, not done again.`,
    )
    .action(
      bind(async (context, file: string, { set, parallel, ...options }: TransferOptions) => {
        const plan = await readTransferPlan(file, set, options as Spec);
        const schedule = await openSchedule(context, parallel);
        const results = await runTransfer(schedule, plan);
        const reports = results.map(({ tested, report }) => `report ${report}  ${tested}`);
        context.terminal.result(results, [transferTables(plan, results), ...reports].join('\n'));
        schedule.throwFailures();
      }),
    );
}

function numbers(text: string): number[] {
  return text.split(',').map((word) => {
    const value = Number(word);
    if (Number.isFinite(value)) return value;
    throw new InvalidArgumentError('expected numbers, by comma');
  });
}

function parseCheckpoint(text: string): { label: string; checkpoint: string } {
  const [label = '', ...checkpoint] = text.split('=');
  return { label, checkpoint: checkpoint.join('=') };
}
