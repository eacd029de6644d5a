import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { count, integer } from '../arguments.js';
import type { WithContext } from '../context.js';
import { toJson } from '../terminal.js';
import { drawViews, tensorToPng } from '../views.js';

interface Options {
  method: string;
  output: string;
  seed: number;
  images: number;
  views: number;
  dimensions: number;
}

export function registerViews(program: Command, bind: WithContext): void {
  program
    .command('views')
    .description('draw augmented views of dataset images into PNG files (of volumes the middle slice)')
    .argument('<dataset>', 'name or manifest address')
    .requiredOption('-o, --output <folder>', 'where to write the files')
    .option('--method <slug>', 'whose view policy applies', 'simclr')
    .option('--seed <n>', 'the same seed draws the same views', integer, 0)
    .option('--images <n>', 'images to take from the train split', count, 4)
    .option('--views <n>', 'views of each image', count, 2)
    .option('--dimensions <n>', '2 or 3: only images or only volumes; 0: all', count, 0)
    .addHelpText('after', '\nExample:\n  $ medformer views phantom --method barlow-twins -o views/')
    .action(
      bind(async (context, dataset: string, options: Options) => {
        const drawn = await drawViews(context, {
          dataset,
          method: options.method,
          seed: BigInt(options.seed),
          imageIds: [],
          images: options.images,
          viewsPerImage: options.views,
          dimensions: options.dimensions,
        });
        await mkdir(options.output, { recursive: true });
        const records = [];
        for (const { imageId, modality, bodyPart, image, views } of drawn) {
          const files: string[] = [];
          for (const [index, tensor] of [image, ...views.map((view) => view.image)].entries()) {
            if (tensor === undefined) continue;
            const file = join(options.output, `${imageId}-${index === 0 ? 'source' : `view-${index}`}.png`);
            await writeFile(file, await tensorToPng(tensor));
            files.push(file);
          }
          records.push({
            imageId,
            modality,
            bodyPart,
            files,
            parameters: views.map((view) => view.parameters),
          });
        }
        // The drawn parameters beside the pictures: applying them again gives the same views.
        await writeFile(join(options.output, 'views.json'), toJson(records));
        context.terminal.result(records, records.flatMap((record) => record.files).join('\n'));
      }),
    );
}
