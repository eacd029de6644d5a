import { AugmentationServiceService } from '@medformer/gen/augmentation';
import { GeneratorRecord, GeneratorSpec, MedformerError, parseRecord } from '@medformer/schema';
import type { Command } from 'commander';
import { collect } from '../arguments.js';
import type { Context, WithContext } from '../context.js';
import { checkSpec, readSpec, type Spec } from '../spec-file.js';
import { facts, short, table } from '../terminal.js';

export function registerGenerator(program: Command, bind: WithContext): void {
  const generator = program
    .command('generator')
    .description('train what makes raw fusions plausible, and list what was trained');
  generator
    .command('train')
    .description('train to the last step, from where the same training was left')
    .argument('<spec>', 'YAML file of a GeneratorSpec, with the data set under dataset')
    .option('--set <key=value>', 'override a key of the spec, e.g. steps=200', collect, [])
    .addHelpText('after', '\nExample:\n  $ medformer generator train experiments/brainfuse/generator.yaml')
    .action(
      bind(async (context, file: string, options: { set: string[] }) => {
        const { dataset, ...spec } = await readSpec(file, options.set);
        if (typeof dataset !== 'string')
          throw new MedformerError('INVALID_ARGUMENT', `${file}: dataset: expected a name or address`);
        checkSpec(GeneratorSpec, spec, {}, file);
        const address = await trainGenerator(context, dataset, spec);
        context.terminal.result({ generator: address }, facts([['generator', address]]));
      }),
    );
  generator
    .command('ls')
    .description('every stored generator')
    .action(
      bind(async ({ connection, terminal }) => {
        const { generators } = await connection.unary(AugmentationServiceService.listGenerators, {});
        const records = generators.map(({ generator, record }) => ({
          generator,
          record: parseRecord(GeneratorRecord, record, `generator ${generator}`),
        }));
        const rows = records.map(({ generator, record: { spec, step, dataset, history } }) => [
          short(generator),
          `${spec.axes}D`,
          `${step} of ${spec.steps}`,
          short(dataset),
          history.at(-1)?.loss.toFixed(4) ?? '',
        ]);
        terminal.result(records, table(['generator', 'scans', 'step', 'data set', 'loss'], rows));
      }),
    );
}

/** Trains, or finds what was trained; answers the generator's address. */
export async function trainGenerator(
  { connection, terminal }: Context,
  dataset: string,
  spec: Spec,
): Promise<string> {
  let address: string | undefined;
  const progress = terminal.progress('generator');
  const call = connection.serverStream(AugmentationServiceService.trainGenerator, { dataset, spec });
  for await (const { event } of call) {
    if (event?.$case === 'generator') address = event.value;
    else if (event?.$case === 'progress') {
      const { step, steps, loss, stepMs } = event.value;
      const left = Math.ceil((Number(steps - step) * stepMs) / 1000);
      progress.update(Number(step), Number(steps), `loss ${loss.toFixed(4)} · ETA ${left} s`);
    }
  }
  progress.stop();
  if (address) return address;
  throw new MedformerError('DATA_LOSS', 'generator: the training ended without a generator');
}
