import {
  type CompareScoresResponse,
  EvaluationServiceService,
  ReportFormat,
  type ScoresTest,
} from '@medformer/gen/evaluation';
import { type ErrorCode, MedformerError, type PairedTest, type Protocol } from '@medformer/schema';
import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import { count } from '../arguments.js';
import type { Context, WithContext } from '../context.js';
import { type EvaluationLine, evaluationLine, watchEvaluation } from '../evaluations.js';
import { testLines } from '../scores.js';
import { facts, short, table } from '../terminal.js';
import { writeWhole } from '../write-whole.js';

export function registerEvaluations(program: Command, bind: WithContext): void {
  const evaluations = program
    .command('evaluations')
    .description('list, show, watch and cancel evaluations, fetch their reports, compare their scores');
  evaluations
    .command('ls')
    .description('the newest evaluations, newest first')
    .option('--limit <n>', 'at most so many', count, 100)
    .action(
      bind(async ({ connection, terminal }, { limit }: { limit: number }) => {
        const answer = await connection.unary(EvaluationServiceService.listEvaluations, { limit });
        const lines = answer.evaluations.map(evaluationLine);
        const rows = lines.map((line) => [
          short(line.evaluation),
          line.title,
          line.state,
          progressText(line),
          short(line.report ?? ''),
          line.requestedAt,
        ]);
        terminal.result(
          lines,
          table(['evaluation', 'title', 'state', 'progress', 'report', 'requested'], rows),
        );
      }),
    );
  evaluations
    .command('show')
    .description('state and spec of an evaluation')
    .argument('<evaluation>', 'its address')
    .action(
      bind(async ({ connection, terminal }, id: string) => {
        const { evaluation, spec } = await connection.unary(EvaluationServiceService.getEvaluation, {
          evaluation: id,
        });
        const line = evaluationLine(evaluation!);
        terminal.result({ ...line, spec }, `${evaluationFacts(line)}\n\n${stringify(spec).trimEnd()}`);
      }),
    );
  evaluations
    .command('watch')
    .description('follow an evaluation until it ends; Ctrl-C leaves it running')
    .argument('<evaluation>', 'its address')
    .action(
      bind(async (context, id: string) => {
        const line = await watchEvaluation(context, id);
        if (line.failure)
          throw new MedformerError(
            line.failure.code as ErrorCode,
            `evaluation ${id}: ${line.failure.message}`,
          );
        context.terminal.result(line, evaluationFacts(line));
      }),
    );
  evaluations
    .command('cancel')
    .description('stop an evaluation; asked for again it goes on after the last whole checkpoint')
    .argument('<evaluation>', 'its address')
    .action(
      bind(async ({ connection, terminal }, id: string) => {
        const { evaluation } = await connection.unary(EvaluationServiceService.cancelEvaluation, {
          evaluation: id,
        });
        const line = evaluationLine(evaluation!);
        terminal.result(line, `${line.evaluation} ${line.state}`);
      }),
    );
  evaluations
    .command('report')
    .description('a file that was stored with the report: page, record or table')
    .argument('<evaluation>', 'address of the evaluation, or of a report')
    .addOption(new Option('--format <format>', 'which').choices(Object.keys(FORMATS)).default('html'))
    .requiredOption('-o, --output <file>', 'where to write it')
    .action(
      bind(
        async (context, id: string, { format, output }: { format: keyof typeof FORMATS; output: string }) => {
          const report = await reportOf(context, id);
          const file = await writeReportFile(context, report, FORMATS[format], output);
          context.terminal.result({ report, file: output, ...file }, `${output} (${file.mediaType})`);
        },
      ),
    );
  evaluations
    .command('compare')
    .description('test rows of stored reports against the first of them, on the same images')
    .argument(
      '<rows...>',
      'two at least: address of a report or evaluation, with :ROW from 0 if it has several',
    )
    .addHelpText('after', '\nExample:\n  $ medformer evaluations compare $BEFORE $AFTER:1')
    .action(
      bind(async (context, named: string[]) => {
        const rows = await Promise.all(named.map((row) => scoredRow(context, row)));
        const compared = await context.connection.unary(EvaluationServiceService.compareScores, { rows });
        context.terminal.result(compared, comparison(compared));
      }),
    );
}

const FORMATS = {
  html: ReportFormat.REPORT_FORMAT_HTML,
  json: ReportFormat.REPORT_FORMAT_JSON,
  csv: ReportFormat.REPORT_FORMAT_CSV,
};

/** The report of an evaluation; what is no evaluation is taken for a report itself. */
async function reportOf({ connection }: Context, address: string): Promise<string> {
  try {
    const { evaluation } = await connection.unary(EvaluationServiceService.getEvaluation, {
      evaluation: address,
    });
    const { state, report } = evaluationLine(evaluation!);
    if (report !== undefined) return report;
    throw new MedformerError('FAILED_PRECONDITION', `evaluation ${address}: ${state}, it has no report`);
  } catch (thrown) {
    if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND') return address;
    throw thrown;
  }
}

async function scoredRow(context: Context, named: string): Promise<{ report: string; row: number }> {
  const [, address, row = '0'] = /^([^:]*)(?::(\d+))?$/.exec(named) ?? [];
  if (address === undefined)
    throw new MedformerError('INVALID_ARGUMENT', `${named}: expected an address, or address:row`);
  return { report: await reportOf(context, address), row: Number(row) };
}

/** Writes the file whole or not at all. */
async function writeReportFile(
  { connection }: Context,
  report: string,
  format: ReportFormat,
  output: string,
): Promise<{ mediaType: string; sha256: string }> {
  const parts = connection.serverStream(EvaluationServiceService.readReportFile, { report, format });
  let told = { mediaType: '', sha256: '' };
  const chunks = async function* () {
    for await (const { part } of parts) {
      if (part?.$case === 'file') told = { mediaType: part.value.mediaType, sha256: part.value.sha256 };
      else if (part) yield part.value;
    }
  };
  await writeWhole(output, chunks());
  return told;
}

function evaluationFacts(line: EvaluationLine): string {
  const { evaluation, state, title, requestedAt, report, failure } = line;
  const progress = progressText(line);
  return facts([
    ['evaluation', evaluation],
    ['title', title],
    ['state', state],
    ['requested', requestedAt],
    ...(progress === '' ? [] : [['progress', progress] as [string, string]]),
    ...(report ? [['report', report] as [string, string]] : []),
    ...(failure ? [['failure', failure.message] as [string, string]] : []),
  ]);
}

function progressText({ progress }: EvaluationLine): string {
  return progress ? `${progress.done}/${progress.total} ${progress.stage}` : '';
}

function comparison({ rows, tests, images, subjects }: CompareScoresResponse): string {
  const percent = (fraction: number) => (100 * fraction).toFixed(1);
  const scores = rows.map(({ label, protocol, auc, accuracy }) => [
    label,
    protocol,
    percent(auc),
    percent(accuracy),
  ]);
  const named = rows.map(({ label, protocol }) => ({ label, protocol: protocol as Protocol }));
  return [
    `${images} images of ${subjects} subjects`,
    table(['', 'protocol', 'AUC', 'ACC'], scores),
    ...testLines({ rows: named, tests: tests.map(pairedTest) }),
  ].join('\n');
}

function pairedTest({ row, metric, test, seed, difference, low, high, p }: ScoresTest): PairedTest {
  return {
    ...{ first: 0, second: row, difference, p },
    metric: metric as PairedTest['metric'],
    test: test as PairedTest['test'],
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(low === undefined || high === undefined ? {} : { interval: { low, high } }),
  };
}
