import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  EncodeRequest,
  type EncodeResponse,
  EncoderServiceService,
  type Model,
  Priority,
} from '@medformer/gen/encoder';
import { MedformerError } from '@medformer/schema';
import { type Command, Option } from 'commander';
import { checkpointOfRun } from '../checkpoints.js';
import type { Context, WithContext } from '../context.js';
import { facts } from '../terminal.js';

const PRIORITIES = {
  interactive: Priority.PRIORITY_INTERACTIVE,
  normal: Priority.PRIORITY_NORMAL,
  bulk: Priority.PRIORITY_BULK,
};

interface ServeOptions {
  run?: string;
  standby?: boolean;
  alias?: string;
}

interface EncodeOptions {
  modality: string;
  bodyPart: string;
  model?: string;
  priority?: keyof typeof PRIORITIES;
}

export function registerEncode(program: Command, bind: WithContext): void {
  program
    .command('serve')
    .description('load a checkpoint into the encoder; calls in flight finish on the old one')
    .argument('[checkpoint]', 'address of the checkpoint')
    .option('--run <id>', "instead: a run's newest checkpoint; ID@best, ID@STEP: another that it keeps")
    .option('--standby', 'beside the default model, for calls that name it')
    .option('--alias <name>', 'another name for calls to name it by, e.g. canary')
    .addHelpText(
      'after',
      '\nExample:\n  $ medformer serve --run $(medformer runs ls --json | jq -r .[0].run)',
    )
    .action(
      bind(async (context, checkpoint: string | undefined, options: ServeOptions) => {
        if (checkpoint === undefined && options.run === undefined)
          throw new MedformerError('INVALID_ARGUMENT', 'expected a checkpoint or --run');
        const address = checkpoint ?? (await checkpointOfRun(context, options.run!));
        const model = await loadModel(context, address, options);
        context.terminal.result(model, describeModel(model));
      }),
    );
  program
    .command('encode')
    .description('the embedding of one image, and what it was made with')
    .argument('<file>', '.png, .jpg, .nii, .nii.gz or .dcm')
    .requiredOption('--modality <slug>', 'e.g. xray, ct, mri, pet')
    .requiredOption('--body-part <slug>', 'e.g. chest')
    .option('--model <name>', 'a loaded checkpoint or its alias; default: the default model')
    .addOption(
      new Option('--priority <level>', 'which images go first when some wait').choices(
        Object.keys(PRIORITIES),
      ),
    )
    .addHelpText(
      'after',
      '\nExample:\n  $ medformer encode chest.png --modality xray --body-part chest --json',
    )
    .action(
      bind(async (context, file: string, { priority = 'normal', ...options }: EncodeOptions) => {
        const answer = await encodeFile(context, file, { ...options, priority: PRIORITIES[priority] });
        context.terminal.result(answer, describeEmbedding(answer));
      }),
    );
}

/** Warming up a large checkpoint takes longer than the usual deadline. */
export const LOAD_TIMEOUT_MS = 180_000;

export async function loadModel(
  { connection }: Context,
  checkpoint: string,
  { standby = false, alias = '' }: { standby?: boolean; alias?: string } = {},
): Promise<Model> {
  const { model } = await connection.unary(
    EncoderServiceService.loadModel,
    { checkpoint, standby, alias },
    { timeoutMs: LOAD_TIMEOUT_MS },
  );
  if (model === undefined) throw new MedformerError('DATA_LOSS', 'the encoder answered without a model');
  return model;
}

export async function encodeFile(
  { connection }: Context,
  file: string,
  request: Pick<EncodeRequest, 'modality' | 'bodyPart'> & Partial<Pick<EncodeRequest, 'model' | 'priority'>>,
): Promise<EncodeResponse> {
  const content = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new MedformerError('NOT_FOUND', `${file}: ${cause.code}`, { cause });
  });
  const image = { $case: 'file' as const, value: { name: basename(file), content } };
  return connection.unary(EncoderServiceService.encode, { ...EncodeRequest.create(request), image });
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
