import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type EncodeResponse, EncoderServiceService, type Model } from '@medformer/gen/encoder';
import { MedformerError } from '@medformer/schema';
import type { Command } from 'commander';
import { checkpointOfRun } from '../checkpoints.js';
import type { Context, WithContext } from '../context.js';
import { facts } from '../terminal.js';

export function registerEncode(program: Command, bind: WithContext): void {
  program
    .command('serve')
    .description('load a checkpoint into the encoder; calls in flight finish on the old one')
    .argument('[checkpoint]', 'address of the checkpoint')
    .option('--run <id>', "instead: a run's newest checkpoint; ID@best, ID@STEP: another that it keeps")
    .addHelpText(
      'after',
      '\nExample:\n  $ medformer serve --run $(medformer runs ls --json | jq -r .[0].run)',
    )
    .action(
      bind(async (context, checkpoint: string | undefined, options: { run?: string }) => {
        if (checkpoint === undefined && options.run === undefined)
          throw new MedformerError('INVALID_ARGUMENT', 'expected a checkpoint or --run');
        const address = checkpoint ?? (await checkpointOfRun(context, options.run!));
        const model = await loadModel(context, address);
        context.terminal.result(model, describeModel(model));
      }),
    );
  program
    .command('encode')
    .description('the embedding of one image, and what it was made with')
    .argument('<file>', '.png, .jpg, .nii, .nii.gz or .dcm')
    .requiredOption('--modality <slug>', 'e.g. xray, ct, mri, pet')
    .requiredOption('--body-part <slug>', 'e.g. chest')
    .addHelpText(
      'after',
      '\nExample:\n  $ medformer encode chest.png --modality xray --body-part chest --json',
    )
    .action(
      bind(async (context, file: string, options: { modality: string; bodyPart: string }) => {
        const answer = await encodeFile(context, file, options.modality, options.bodyPart);
        context.terminal.result(answer, describeEmbedding(answer));
      }),
    );
}

/** Warming up a large checkpoint takes longer than the usual deadline. */
const LOAD_TIMEOUT_MS = 180_000;

export async function loadModel({ connection }: Context, checkpoint: string): Promise<Model> {
  const { model } = await connection.unary(
    EncoderServiceService.loadModel,
    { checkpoint },
    { timeoutMs: LOAD_TIMEOUT_MS },
  );
  if (model === undefined) throw new MedformerError('DATA_LOSS', 'the encoder answered without a model');
  return model;
}

export async function encodeFile(
  { connection }: Context,
  file: string,
  modality: string,
  bodyPart: string,
): Promise<EncodeResponse> {
  const content = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new MedformerError('NOT_FOUND', `${file}: ${cause.code}`, { cause });
  });
  return connection.unary(EncoderServiceService.encode, {
    image: { $case: 'file', value: { name: basename(file), content } },
    modality,
    bodyPart,
  });
}

export function describeModel(model: Model): string {
  return facts([
    ['checkpoint', model.lineage?.checkpoint ?? ''],
    ['run', model.lineage?.run ?? ''],
    ['method', `${model.method}, step ${model.step}`],
    ['model', `width ${model.width}, ${model.parameters} parameters`],
    ['modalities', model.modalities.join(', ')],
    ['body parts', model.bodyParts.join(', ')],
  ]);
}

export function describeEmbedding({ embedding, lineage, timing, notes }: EncodeResponse): string {
  const head = embedding.slice(0, 6).map((value) => value.toFixed(4));
  return facts([
    ['embedding', `[${head.join(', ')}, …] width ${embedding.length}`],
    ['checkpoint', lineage?.checkpoint ?? ''],
    ['run', lineage?.run ?? ''],
    ['dataset', lineage?.dataset ?? ''],
    ['code', lineage?.codeVersion ?? ''],
    [
      'timing',
      timing === undefined
        ? ''
        : `queue ${timing.queueMs.toFixed(1)} ms, decode ${timing.decodeMs.toFixed(1)} ms, infer ${timing.inferMs.toFixed(1)} ms`,
    ],
    ...notes.map((note): [string, string] => ['note', note]),
  ]);
}
