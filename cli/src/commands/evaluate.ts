import { EvaluationSpec, MedformerError } from '@medformer/schema';
import type { Command } from 'commander';
import { collect, count, integers } from '../arguments.js';
import { resolveCheckpoint } from '../checkpoints.js';
import type { Context, WithContext } from '../context.js';
import { startEvaluation } from '../evaluations.js';
import { evaluate, scoreTable } from '../scores.js';
import { checkSpec, readSpec, type Spec } from '../spec-file.js';

interface Options {
  set: string[];
  entry: string[];
  title?: string;
  dataset?: string;
  trainDataset?: string;
  task?: string;
  labelsPerClass?: number;
  seeds?: number[];
  dimensions?: number[];
  split?: string;
  intervals: boolean;
  compare: string[];
  detach: boolean;
}

export function registerEvaluate(program: Command, bind: WithContext): void {
  program
    .command('evaluate')
    .description("score checkpoints on a dataset's test split over seeds: AUC, ACC, AP, F1, calibration")
    .argument('[spec]', 'YAML file of an EvaluationSpec; the options below replace its keys')
    .option('--set <key=value>', 'override a key of the spec', collect, [])
    .option('--title <text>', 'title of the report')
    .option('--dataset <dataset>', 'name or manifest address')
    .option('--train-dataset <dataset>', 'where linear probe and kNN take training images, if elsewhere')
    .option('--task <slug>', "one of the dataset's label spaces")
    .option('--labels-per-class <n>', 'labelled images per class for linear probe and kNN', count)
    .option('--seeds <list>', 'e.g. 0,1,2', integers)
    .option('--dimensions <list>', '2, 3 or 2,3', integers)
    .option('--split <split>', 'val or test: what is scored')
    .option('--intervals', '95 % confidence intervals, by a bootstrap over subjects', false)
    .option(
      '--compare <first,second>',
      'test two entries against each other, by position from 0',
      collect,
      [],
    )
    .option(
      '--entry <label:protocol:addresses>',
      'a row: protocol linear-probe, knn or head; checkpoints or runs, by comma',
      collect,
      [],
    )
    .option('--detach', 'queue it and return; medformer evaluations watch follows it', false)
    .addHelpText(
      'after',
      `
Examples:
  $ medformer evaluate evaluation.yaml
  $ medformer evaluate evaluation.yaml --detach
  $ medformer evaluate --dataset phantom --task region --labels-per-class 10 \\
      --entry "SimCLR:linear-probe:$CHECKPOINT" --entry "From scratch:head:run=$RUN0,run=$RUN1"

In a file, an entry's checkpoints are addresses too, or "run=ID" for a run's newest checkpoint,
"run=ID@best" for the one it keeps as its best, "run=ID@100" for the one of step 100.`,
    )
    .action(
      bind(async (context, file: string | undefined, options: Options) => {
        const fromFile = file === undefined ? {} : await readSpec(file, options.set);
        const spec = { ...fromFile, ...specOfOptions(options) };
        const resolved = { ...spec, entries: await resolveRuns(context, spec.entries) };
        checkEvaluationSpec(resolved, file ?? 'evaluation');
        if (options.detach) {
          const line = await startEvaluation(context, resolved);
          const follow = `medformer evaluations watch ${line.evaluation}`;
          return context.terminal.result(line, `evaluation ${line.evaluation} ${line.state}\n  ${follow}`);
        }
        const { report, record } = await evaluate(context, resolved);
        context.terminal.result(
          { report, record },
          `${scoreTable(record)}\nreport ${report}\n  open it: medformer report html ${report} -o report.html`,
        );
      }),
    );
}

/** Data sets may be names here. */
export function checkEvaluationSpec(spec: Spec, what: string): void {
  const named = ['dataset', 'trainDataset'].filter((field) => typeof spec[field] === 'string');
  const addresses = Object.fromEntries(named.map((field) => [field, '0'.repeat(64)]));
  checkSpec(EvaluationSpec, spec, addresses, what);
}

function specOfOptions({ entry, set: _, intervals, compare, detach: _detach, ...options }: Options): Spec {
  return {
    ...options,
    ...(entry.length > 0 ? { entries: entry.map(parseEntry) } : {}),
    ...(intervals ? { intervals: {} } : {}),
    ...(compare.length > 0 ? { compare: compare.map(integers) } : {}),
  };
}

function parseEntry(text: string): Spec {
  const [label, protocol, checkpoints] = text.split(':');
  if (label === undefined || protocol === undefined || checkpoints === undefined) {
    throw new MedformerError('INVALID_ARGUMENT', `--entry ${text}: expected label:protocol:addresses`);
  }
  return { label, protocol, checkpoints: checkpoints.split(',') };
}

/** Puts a checkpoint in place of each `run=ID` or `run=ID@WHICH`. Anything malformed is left for the schema to name. */
async function resolveRuns(context: Context, entries: unknown): Promise<unknown> {
  if (!Array.isArray(entries)) return entries;
  return Promise.all(
    entries.map(async (entry: Spec) =>
      Array.isArray(entry?.checkpoints)
        ? {
            ...entry,
            checkpoints: await Promise.all(entry.checkpoints.map((ref) => resolveCheckpoint(context, ref))),
          }
        : entry,
    ),
  );
}
