import { EncoderServiceService } from '@medformer/gen/encoder';
import { EvaluationServiceService } from '@medformer/gen/evaluation';
import { GateSpec, MedformerError, Promotion, parseRecord } from '@medformer/schema';
import type { Command } from 'commander';
import { collect } from '../arguments.js';
import { resolveCheckpoint } from '../checkpoints.js';
import type { Context, WithContext } from '../context.js';
import { checkSpec, readSpec, type Spec } from '../spec-file.js';
import { short, table } from '../terminal.js';
import { describeModel, loadModel } from './encode.js';

interface Options {
  gate?: string;
  set: string[];
  dryRun: boolean;
}

export function registerPromote(program: Command, bind: WithContext): void {
  program
    .command('promote')
    .description('serve a checkpoint if it passes a gate: good enough, and no worse than what is served')
    .argument('<checkpoint>', 'address of the checkpoint, or run=ID, run=ID@best')
    .option('--gate <yaml>', 'file of a GateSpec: data set, task, metric, minimum, margin')
    .option('--set <key=value>', 'a key of the gate, e.g. minimum=0.8', collect, [])
    .option('--dry-run', 'decide and keep the decision, serve nothing', false)
    .addHelpText(
      'after',
      `
Example:
  $ medformer promote run=$RUN@best --set dataset=phantom --set task=region --set minimum=0.9

A checkpoint that is refused ends the command with exit code 19 and the reasons. An encoder started with
--encoder-promoted-only takes no other way.`,
    )
    .action(
      bind(async (context, reference: string, { gate: file, set, dryRun }: Options) => {
        const gate = await readSpec(file, set);
        checkGate(gate, file ?? 'gate');
        const candidate = String(await resolveCheckpoint(context, reference));
        const { models } = await context.connection.unary(EncoderServiceService.listModels, {});
        const served = models.find(({ isDefault }) => isDefault)?.model?.lineage?.checkpoint ?? '';
        const decided = await decide(context, { gate, candidate, served });
        const { promoted, reasons } = decided.record;
        if (!promoted) {
          throw new MedformerError(
            'FAILED_PRECONDITION',
            `refused: ${reasons.join('; ')} (promotion ${decided.promotion})`,
          );
        }
        const passed = `promotion ${decided.promotion}: ${scoreText(decided.record)}`;
        if (dryRun) return context.terminal.result(decided, passed);
        const model = await loadModel(context, candidate, {});
        context.terminal.result({ ...decided, model }, `${passed}\n${describeModel(model)}`);
      }),
    );
  program
    .command('promotions')
    .description('what gates decided, newest first')
    .argument('[checkpoint]', 'of this candidate only')
    .action(
      bind(async ({ connection, terminal }: Context, candidate = '') => {
        const { promotions } = await connection.unary(EvaluationServiceService.listPromotions, { candidate });
        const records = promotions.map(({ promotion, record }) => ({
          promotion,
          record: parseRecord(Promotion, record, `promotion ${promotion}`),
        }));
        const rows = records.map(({ promotion, record }) => [
          short(promotion),
          short(record.candidate),
          record.served ? short(record.served) : '',
          record.promoted ? 'promoted' : `refused: ${record.reasons.join('; ')}`,
          scoreText(record),
        ]);
        terminal.result(records, table(['promotion', 'candidate', 'served', 'decision', 'score'], rows));
      }),
    );
}

async function decide(
  { connection, terminal }: Context,
  request: { gate: Spec; candidate: string; served: string },
): Promise<{ promotion: string; record: Promotion }> {
  const progress = terminal.progress('promote');
  try {
    for await (const { event } of connection.serverStream(
      EvaluationServiceService.promoteCheckpoint,
      request,
    )) {
      if (event?.$case === 'progress') {
        progress.update(event.value.done, event.value.total, event.value.stage);
      } else if (event?.$case === 'decided') {
        const { promotion, record } = event.value;
        return { promotion, record: parseRecord(Promotion, record, `promotion ${promotion}`) };
      }
    }
  } finally {
    progress.stop();
  }
  throw new MedformerError('DATA_LOSS', 'the service ended without a decision');
}

/** Data sets may be names here. */
function checkGate(gate: Spec, what: string): void {
  const named = ['dataset', 'trainDataset'].filter((field) => typeof gate[field] === 'string');
  checkSpec(GateSpec, gate, Object.fromEntries(named.map((field) => [field, '0'.repeat(64)])), what);
}

function scoreText({ gate: { metric }, score, servedScore, difference, interval }: Promotion): string {
  const own = `${metric} ${score.toFixed(4)}`;
  if (servedScore === undefined) return own;
  const of = interval ? ` (${interval.low.toFixed(4)} to ${interval.high.toFixed(4)})` : '';
  return `${own}, served ${servedScore.toFixed(4)}, difference ${difference!.toFixed(4)}${of}`;
}
