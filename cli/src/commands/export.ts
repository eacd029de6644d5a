import { type ExportCheckpointRequest, ExportFormat } from '@medformer/gen/trainer';
import { type Command, Option } from 'commander';
import { axes, count } from '../arguments.js';
import { checkpointOfRun } from '../checkpoints.js';
import type { WithContext } from '../context.js';
import { exportTo } from '../export.js';
import { facts, megabytes } from '../terminal.js';

const FORMATS = {
  onnx: ExportFormat.EXPORT_FORMAT_ONNX,
  'saved-model': ExportFormat.EXPORT_FORMAT_SAVED_MODEL,
  safetensors: ExportFormat.EXPORT_FORMAT_SAFETENSORS,
};

interface Options {
  run?: string;
  checkpoint?: string;
  format: keyof typeof FORMATS;
  shape: number[];
  output: string;
  batch: number;
  modality: string;
  bodyPart: string;
  task: string;
}

export function registerExport(program: Command, bind: WithContext): void {
  program
    .command('export')
    .description('a checkpoint as a model of another runtime, with its lineage inside or beside it')
    .addOption(
      new Option(
        '--run <id>',
        "the run's newest checkpoint; ID@best, ID@STEP: another that it keeps",
      ).conflicts('checkpoint'),
    )
    .option('--checkpoint <hash>', 'address of the checkpoint')
    .addOption(
      new Option('--format <name>', 'onnx: a file; saved-model (TensorFlow) and safetensors: a folder')
        .choices(Object.keys(FORMATS))
        .makeOptionMandatory(),
    )
    .option('--shape <axes>', 'of one image, channels last, e.g. 28x28x1 or 64x64x64x1', axes, [])
    .requiredOption('-o, --output <path>', 'the file or the folder to write')
    .option('--batch <n>', 'fix the batch size; 0: any', count, 0)
    .option('--modality <slug>', 'build in the code of this modality (default: the shared code)', '')
    .option('--body-part <slug>', 'build in the code of this body part (default: the shared code)', '')
    .option('--task <slug>', "also give the logits of this task's head", '')
    .addHelpText(
      'after',
      '\nThe model takes `pixels`, float32 [batch, …shape] in [0, 1], and gives `embedding` [batch, width].' +
        '\n\nExample:\n  $ medformer export --run $RUN --format onnx --shape 28x28x1 -o model.onnx',
    )
    .action(
      bind(async (context, options: Options) => {
        const { run, ...rest } = options;
        const named = run?.includes('@')
          ? { ...rest, checkpoint: await checkpointOfRun(context, run) }
          : options;
        const written = await exportTo(context, requestOf(named), options.output);
        const size = written.files.reduce((sum, { bytes }) => sum + Number(bytes), 0);
        context.terminal.result(
          written,
          facts([
            ['checkpoint', written.checkpoint],
            ['written', `${options.output}, ${megabytes(size)}`],
          ]),
        );
      }),
    );
}

function requestOf({ run, checkpoint, format, output: _, ...rest }: Options): ExportCheckpointRequest {
  const source = run
    ? ({ $case: 'run', value: run } as const)
    : ({ $case: 'checkpoint', value: checkpoint ?? '' } as const);
  return { source, format: FORMATS[format], ...rest };
}
