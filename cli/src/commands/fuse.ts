import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AugmentationServiceService, type Fusion } from '@medformer/gen/augmentation';
import { DataType } from '@medformer/gen/common';
import { encodeNifti } from '@medformer/imaging/encode-nifti';
import { FusionSpec, ImageRecord, MedformerError, parseRecord } from '@medformer/schema';
import type { Command } from 'commander';
import type { z } from 'zod';
import { collect, count, integer } from '../arguments.js';
import { resolveCheckpoint } from '../checkpoints.js';
import type { Context, WithContext } from '../context.js';
import { fusionPanel } from '../fusion-panel.js';
import { fusionQualityText, measureFusions } from '../fusion-quality.js';
import { checkSpec, readSpec, type Spec } from '../spec-file.js';
import { facts, toJson } from '../terminal.js';
import { tensorToPng } from '../views.js';

interface Options {
  spec?: string;
  set: string[];
  first: number;
  count?: number;
  output?: string;
  name?: string;
  measure: boolean;
  checkpoint?: string;
  dimensions?: number;
}

const PICTURES = 4;
const MEASURED = 64;

/** Less its place in a shard. */
const FusedRecord = ImageRecord.omit({ tensor: true, row: true });
type FusedRecord = z.infer<typeof FusedRecord>;

export function registerFuse(program: Command, bind: WithContext): void {
  program
    .command('fuse')
    .description(
      'new scans out of several patients each: as pictures and volumes, as a data set to train on, or measured',
    )
    .argument('<dataset>', 'name or manifest address')
    .option('--spec <yaml>', 'file of a FusionSpec; default: 2 or 8 patients by smooth fields')
    .option('--set <key=value>', 'a key of the spec, e.g. sources=[8] or mask.strategy=voronoi', collect, [])
    .option(
      '--count <n>',
      `how many fusions (default: ${PICTURES}; measured: ${MEASURED} of each number of patients)`,
      count,
    )
    .option('--first <n>', 'number of the first; the number decides the fusion', count, 0)
    .option(
      '-o, --output <folder>',
      'write each as PNG or NIfTI, and a panel of it beside its regions and sources',
    )
    .option('--name <slug>', 'write all as a data set of this name')
    .option('--measure', 'say how good they are, beside the real images of their kind', false)
    .option(
      '--checkpoint <address>',
      'with --measure: whose feature space the Fréchet distance is of; an address or run=ID',
    )
    .option('--dimensions <n>', 'with --measure: only images with so many spatial axes', integer)
    .addHelpText(
      'after',
      `
Examples:
  $ medformer fuse phantom --set 'sources=[8]' -o fusions/
  $ medformer fuse phantom --set generator=$GENERATOR --count 512 --name phantom-fused
  $ medformer fuse phantom --set generator=$GENERATOR --measure --checkpoint run=$RUN

The same data set, spec and number give the same bytes, in a picture, in a data set and in a training run.`,
    )
    .action(
      bind(async (context, dataset: string, options: Options) => {
        const spec = await readSpec(options.spec, options.set);
        checkSpec(FusionSpec, spec, {}, options.spec ?? '--set');
        const { output, name, measure, first, count: fusions = measure ? MEASURED : PICTURES } = options;
        if ([output !== undefined, name !== undefined, measure].filter(Boolean).length !== 1)
          throw new MedformerError('INVALID_ARGUMENT', 'expected one of --output, --name and --measure');
        if (name !== undefined) await writeDataset(context, dataset, spec, name, fusions);
        else if (output !== undefined)
          await writePictures(context, dataset, spec, { first, fusions, output });
        else await showQuality(context, dataset, spec, { ...options, fusions });
      }),
    );
}

async function writeDataset(
  { connection, terminal }: Context,
  dataset: string,
  spec: Spec,
  name: string,
  fusions: number,
): Promise<void> {
  const request = { dataset, spec, name, count: BigInt(fusions) };
  const progress = terminal.progress('fusing');
  for await (const { event } of connection.serverStream(AugmentationServiceService.fuseDataset, request)) {
    if (event?.$case === 'progress') {
      progress.update(Number(event.value.fusions), Number(event.value.of), 'fusions');
    } else if (event?.$case === 'finished') {
      progress.stop();
      const { images, created } = event.value;
      terminal.result(
        { ...event.value, images: Number(images) },
        facts([
          ['data set', name],
          ['manifest', event.value.dataset],
          ['fusions', `${images}${created ? '' : ', there already'}`],
        ]),
      );
    }
  }
}

async function writePictures(
  { connection, terminal }: Context,
  dataset: string,
  spec: Spec,
  { first, fusions, output }: { first: number; fusions: number; output: string },
): Promise<void> {
  await mkdir(output, { recursive: true });
  const request = { dataset, spec, first: BigInt(first), count: BigInt(fusions), withSources: true };
  const progress = terminal.progress('fusing');
  const records: { files: string[]; record: FusedRecord }[] = [];
  for await (const { fusion } of connection.serverStream(AugmentationServiceService.streamFusions, request)) {
    if (!fusion) continue;
    const record = parseRecord(FusedRecord, fusion.record, `fusion ${fusion.index}`);
    const name = join(output, `fusion-${String(fusion.index).padStart(6, '0')}`);
    const files = [await writeImage(name, fusion, record), `${name}-panel.png`];
    await writeFile(files[1]!, await fusionPanel(fusion));
    records.push({ files, record });
    progress.update(records.length, fusions, 'fusions');
  }
  progress.stop();
  await writeFile(join(output, 'fusions.json'), toJson({ dataset, spec, fusions: records }));
  terminal.result(records, records.flatMap(({ files }) => files).join('\n'));
}

async function showQuality(
  context: Context,
  dataset: string,
  spec: Spec,
  { fusions, checkpoint, dimensions }: Options & { fusions: number },
): Promise<void> {
  const resolved = checkpoint && (await resolveCheckpoint(context, checkpoint));
  const { quality, record } = await measureFusions(context, {
    dataset,
    spec,
    count: fusions,
    ...(resolved ? { checkpoint: String(resolved) } : {}),
    ...(dimensions ? { dimensions } : {}),
  });
  context.terminal.result({ quality, record }, `${fusionQualityText([record])}\nrecord ${quality}`);
}

/** A volume as NIfTI, which keeps all of its bits, an image as PNG. */
async function writeImage(name: string, { image }: Fusion, { spacingMm }: FusedRecord): Promise<string> {
  const { shape, data, dataType } = image!;
  if (shape.length === 3) {
    await writeFile(`${name}.png`, await tensorToPng(image!));
    return `${name}.png`;
  }
  if (shape[3] !== 1)
    throw new MedformerError('UNIMPLEMENTED', `no NIfTI file of a volume with ${shape[3]} channels`);
  const own = Uint8Array.from(data);
  const voxels = dataType === DataType.DATA_TYPE_UINT16 ? new Uint16Array(own.buffer) : own;
  const spacing = spacingMm ?? [1, 1, 1];
  await writeFile(
    `${name}.nii`,
    encodeNifti(voxels, shape.slice(0, 3), spacing, 'fused of several patients'),
  );
  return `${name}.nii`;
}
