import { join } from 'node:path';
import type { Command } from 'commander';
import { collect, positive } from '../arguments.js';
import { writeReproductionPage } from '../brainfuse/reproduction-page.js';
import { readReproductionPlan } from '../brainfuse/reproduction-plan.js';
import { reproductionTables } from '../brainfuse/reproduction-tables.js';
import { runReproduction } from '../brainfuse/run-reproduction.js';
import type { WithContext } from '../context.js';
import { fusionQualityText } from '../fusion-quality.js';
import { openSchedule, PARALLEL_FLAG } from '../schedule.js';

interface ReproduceOptions {
  plan: string;
  set: string[];
  output: string;
  parallel?: number;
}

export function registerReproduce(program: Command, bind: WithContext): void {
  program
    .command('reproduce')
    .description('an experiment of the thesis, from data to table')
    .command('brainfuse')
    .description(
      'six ways to learn patient groups from few scans: normal training, Barlow Twins, raw and repaired fusions',
    )
    .option('--plan <file>', 'what is run', join('experiments', 'brainfuse', 'reproduce.yaml'))
    .option('--set <key=value>', 'override a key of the plan, e.g. seeds=[0]', collect, [])
    .option(...PARALLEL_FLAG, positive)
    .option('-o, --output <file>', 'write scores and fusions as one page', 'brainfuse.html')
    .addHelpText(
      'after',
      `
Examples:
  $ medformer reproduce brainfuse
  $ medformer reproduce brainfuse --set 'seeds=[0]' --set phases.bt.steps=100
Own data: ingest it, copy the plan, take its cohort out and name your data set and task in it.

Interrupted at any point, the same command goes on; what is done is found, not done again.`,
    )
    .action(
      bind(async (context, { plan: file, set, output, parallel }: ReproduceOptions) => {
        const plan = await readReproductionPlan(file, set);
        const schedule = await openSchedule(context, parallel);
        const reproduction = await runReproduction(schedule, plan);
        const { report, record, generator, qualities } = reproduction;
        await writeReproductionPage(context, plan, reproduction, output);
        context.terminal.result(
          {
            report,
            generator,
            rows: record.rows.map(({ confusion: _, ...row }) => row),
            tests: record.tests,
            fusions: qualities,
            failures: schedule.failures,
            page: output,
          },
          [
            `\n${reproductionTables(record)}`,
            `\nFusions, beside the real images they are made of\n${fusionQualityText(qualities.map((each) => each.record))}`,
            `\nreport ${report}\npage   ${output}`,
          ].join('\n'),
        );
        schedule.throwFailures();
      }),
    );
}
