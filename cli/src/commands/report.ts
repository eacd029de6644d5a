import { EvaluationServiceService, ScoresFormat } from '@medformer/gen/evaluation';
import { parseRecord, ScoreReport } from '@medformer/schema';
import { type Command, Option } from 'commander';
import { collect, integers } from '../arguments.js';
import type { Context, WithContext } from '../context.js';
import { writeReportPage } from '../report-page.js';
import { classTable, scoreTable } from '../scores.js';
import { exportScores } from '../scores-export.js';
import { short, table } from '../terminal.js';
import { drawViews } from '../views.js';

export function registerReport(program: Command, bind: WithContext): void {
  const reports = program.command('report').description('list, show and render score reports');
  reports
    .command('ls')
    .description('every report')
    .action(
      bind(async ({ connection, terminal }) => {
        const { reports } = await connection.unary(EvaluationServiceService.listReports, {});
        const rows = reports.map((report) => [short(report.report), report.title, report.datasetName]);
        terminal.result(reports, table(['report', 'title', 'dataset'], rows));
      }),
    );
  reports
    .command('show')
    .description('the table of a report')
    .argument('<report>', 'address of the report')
    .option('--per-class', 'recall, precision and F1 of every class as well', false)
    .action(
      bind(async (context, report: string, { perClass }: { perClass: boolean }) => {
        const record = await getReport(context, report);
        const shown = perClass ? `${scoreTable(record)}\n${classTable(record)}` : scoreTable(record);
        context.terminal.result({ report, record }, shown);
      }),
    );
  reports
    .command('export')
    .description(
      "the scores behind a report: MedMNIST's result files, safetensors with truth and image ids, one CSV, or the record",
    )
    .argument('<report>', 'address of the report')
    .requiredOption('-o, --output <folder>', 'where to write the files')
    .addOption(
      new Option('--format <format>', 'what to write').choices(Object.keys(FORMATS)).makeOptionMandatory(),
    )
    .option('--rows <list>', 'rows by position from 0 (default: all)', integers, [])
    .addHelpText('after', '\nExample:\n  $ medformer report export $REPORT --format medmnist -o results/')
    .action(
      bind(async (context, report: string, { output, format, rows }: ExportOptions) => {
        const files = await exportScores(context, { report, format: FORMATS[format], rows }, output);
        context.terminal.result({ report, files }, files.join('\n'));
      }),
    );
  reports
    .command('html')
    .description('the report as one page that opens anywhere: curves, embedding map, confusion, sample views')
    .argument('<report>', 'address of the report')
    .requiredOption('-o, --output <file>', 'where to write the page')
    .option('--views <method>', "draw sample views of this method's policy into the page", collect, [])
    .addHelpText('after', '\nExample:\n  $ medformer report html $REPORT -o report.html --views simclr')
    .action(
      bind(async (context, report: string, options: { output: string; views: string[] }) => {
        const samples = [];
        if (options.views.length > 0) {
          const record = await getReport(context, report);
          for (const method of options.views) {
            samples.push(...(await drawViews(context, sampleRequest(record.spec.dataset, method))));
          }
        }
        await writeReportPage(context, report, samples, options.output);
        context.terminal.result({ report, file: options.output }, options.output);
      }),
    );
}

const FORMATS = {
  medmnist: ScoresFormat.SCORES_FORMAT_MEDMNIST,
  safetensors: ScoresFormat.SCORES_FORMAT_SAFETENSORS,
  csv: ScoresFormat.SCORES_FORMAT_CSV,
  json: ScoresFormat.SCORES_FORMAT_JSON,
};

interface ExportOptions {
  output: string;
  format: keyof typeof FORMATS;
  rows: number[];
}

/** A handful of images with a few views each: enough to see what a policy does. */
export function sampleRequest(dataset: string, method: string) {
  return { dataset, method, seed: 0n, imageIds: [], images: 6, viewsPerImage: 4, dimensions: 2 };
}

async function getReport({ connection }: Context, report: string): Promise<ScoreReport> {
  const { record } = await connection.unary(EvaluationServiceService.getReport, { report });
  return parseRecord(ScoreReport, record, `report ${report}`);
}
