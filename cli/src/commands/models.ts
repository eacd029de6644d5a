import { EncoderServiceService, type ServedModel } from '@medformer/gen/encoder';
import type { Command } from 'commander';
import type { Context, WithContext } from '../context.js';
import { table } from '../terminal.js';
import { describeModel, LOAD_TIMEOUT_MS } from './encode.js';

export function registerModels(program: Command, bind: WithContext): void {
  const models = program.command('models').description('the checkpoints that the encoder answers with');
  models
    .command('ls')
    .description('those that are loaded, the default first')
    .action(bind((context: Context) => listModels(context)));
  models
    .command('default')
    .description('make a loaded model the one that calls without a name get')
    .argument('<model>', 'checkpoint or alias')
    .action(
      bind(async ({ connection, terminal }: Context, name: string) => {
        const { model } = await connection.unary(EncoderServiceService.setDefaultModel, { model: name });
        terminal.result(model, describeModel(model!));
      }),
    );
  models
    .command('rollback')
    .description('make the model that was the default before this one the default again')
    .action(
      bind(async ({ connection, terminal }: Context) => {
        const timeout = { timeoutMs: LOAD_TIMEOUT_MS };
        const { model } = await connection.unary(EncoderServiceService.rollBack, {}, timeout);
        terminal.result(model, describeModel(model!));
      }),
    );
  models
    .command('unload')
    .description('end a model that is not the default, after its calls in flight')
    .argument('<model>', 'checkpoint or alias')
    .action(
      bind(async (context: Context, name: string) => {
        await context.connection.unary(EncoderServiceService.unloadModel, { model: name });
        await listModels(context);
      }),
    );
}

async function listModels({ connection, terminal }: Context): Promise<void> {
  const { models } = await connection.unary(EncoderServiceService.listModels, {});
  const rows = models.map((served) => [
    served.model?.lineage?.checkpoint ?? '',
    `${served.model?.method}, step ${served.model?.step}`,
    placeOf(served),
  ]);
  terminal.result(models, table(['checkpoint', 'method', 'answers'], rows));
}

function placeOf({ isDefault, isPrevious, aliases }: ServedModel): string {
  return [
    ...(isDefault ? ['by default'] : []),
    ...aliases.map((alias) => `to "${alias}"`),
    ...(isPrevious ? ['after a rollback'] : []),
  ].join(', ');
}
