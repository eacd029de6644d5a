import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type AttendResponse, EncoderServiceService } from '@medformer/gen/encoder';
import { encodeSafetensors, MedformerError, type StoredTensor } from '@medformer/schema';
import type { Command } from 'commander';
import { words } from '../arguments.js';
import type { WithContext } from '../context.js';
import { heatToPng, hottestPixel } from '../heat-map.js';
import { facts } from '../terminal.js';

interface Options {
  modality: string;
  bodyPart: string;
  output: string;
  layers: string[];
  maps?: string;
}

export function registerAttend(program: Command, bind: WithContext): void {
  program
    .command('attend')
    .description("what an image's embedding is read from: the model's attention as a heat map over the image")
    .argument('<file>', '.png, .jpg, .nii, .nii.gz or .dcm')
    .requiredOption('--modality <slug>', 'e.g. xray, ct, mri, pet')
    .requiredOption('--body-part <slug>', 'e.g. chest')
    .requiredOption('-o, --output <png>', 'the heat map; of a volume three planes through the hottest place')
    .option('--layers <names>', 'with --maps: layers, e.g. input/cross-attention,body/00/attention', words, [
      'input/cross-attention',
    ])
    .option('--maps <safetensors>', "also write the layers' attention weights [heads, queries, keys]")
    .addHelpText(
      'after',
      '\nExample:\n  $ medformer attend chest.png --modality xray --body-part chest -o attention.png',
    )
    .action(
      bind(async (context, file: string, options: Options) => {
        const content = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
          throw new MedformerError('NOT_FOUND', `${file}: ${cause.code}`, { cause });
        });
        const answer = await context.connection.unary(EncoderServiceService.attend, {
          image: { $case: 'file', value: { name: basename(file), content } },
          modality: options.modality,
          bodyPart: options.bodyPart,
          model: '',
          layers: options.maps === undefined ? [] : options.layers,
        });
        await writeFile(options.output, await heatToPng(answer));
        if (options.maps !== undefined) await writeFile(options.maps, mapsToSafetensors(answer));
        const { image, maps: _, ...record } = answer;
        context.terminal.result(
          { ...record, imageShape: image?.shape, output: options.output, maps: options.maps },
          describe(answer, options.output),
        );
      }),
    );
}

function mapsToSafetensors({ maps, lineage, grid }: AttendResponse): Uint8Array {
  const tensors = new Map<string, StoredTensor>();
  for (const { layer, weights } of maps) {
    if (!weights) throw new MedformerError('DATA_LOSS', `attention: ${layer} came without weights`);
    const data = new Float32Array(Uint8Array.from(weights.data).buffer);
    tensors.set(layer, { dtype: 'F32', shape: weights.shape, data });
  }
  return encodeSafetensors({
    tensors,
    metadata: { checkpoint: lineage?.checkpoint ?? '', grid: grid.join() },
  });
}

function describe(answer: AttendResponse, output: string): string {
  const { heat, grid, layers, lineage, notes } = answer;
  const most = Math.max(...heat);
  return facts([
    ['heat map', output],
    ['patches', `${grid.join(' x ')}, edge ${answer.patch}`],
    [
      'hottest',
      `${(100 * most).toFixed(1)} % at pixel ${hottestPixel(answer).join(', ')}; even: ${(100 / heat.length).toFixed(1)} %`,
    ],
    ['layers', layers.join(', ')],
    ['checkpoint', lineage?.checkpoint ?? ''],
    ...notes.map((note): [string, string] => ['note', note]),
  ]);
}
