import { join } from 'node:path';
import type { Command } from 'commander';
import type { WithContext } from '../context.js';
import { runDemo } from '../demo/run-demo.js';

export function registerDemo(program: Command, bind: WithContext): void {
  program
    .command('demo')
    .description('the whole path on a phantom cohort: ingest, pretrain, evaluate, report, serve, encode')
    .option('--experiment <folder>', 'holds demo.yaml', join('experiments', 'demo'))
    .option('-o, --output <file>', 'where to write the report', 'report.html')
    .addHelpText(
      'after',
      `
\`make demo\` starts the services first. Interrupted at any point, the same command goes on; what is done is found,
not done again.`,
    )
    .action(
      bind(async (context, options: { experiment: string; output: string }) => {
        await runDemo(context, join(options.experiment, 'demo.yaml'), options.output);
      }),
    );
}
