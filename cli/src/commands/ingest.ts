import type { IngestRequest } from '@medformer/gen/ingestion';
import type { Command } from 'commander';
import {
  axes,
  collect,
  count,
  fraction,
  integer,
  integers,
  millimetres,
  normalisationRule,
  words,
} from '../arguments.js';
import type { Context, WithContext } from '../context.js';
import { type IngestOutcome, ingest } from '../ingest.js';
import { facts } from '../terminal.js';
import { upload } from '../upload.js';

interface Options {
  name: string;
  description: string;
  modality: string;
  bodyPart: string;
  splitSeed: number;
  val: number;
  test: number;
  skipBadFiles: boolean;
  allowMd5Mismatch: boolean;
  normalise: string[];
  resample: number[];
  resampleShape: number[];
  seed: number;
  patients: number;
  volumePatients: number;
  imageShape: number[];
  volumeShape: number[];
  groups: number;
  perGroup: number[];
  levels: string[];
  sequences: string[];
  volumes: boolean;
}

type GroupOption = 'groups' | 'perGroup' | 'levels' | 'sequences' | 'volumes';

export function registerIngest(program: Command, bind: WithContext): void {
  program
    .command('ingest')
    .description('turn a file or folder of images (MedMNIST .npz, NIfTI, DICOM, PNG, JPEG) into a dataset')
    .argument('<source>', 'a file, a folder, or "phantom" or "phantom-groups" for a synthetic cohort')
    .requiredOption('--name <slug>', 'name of the dataset: lower-case words joined by hyphens')
    .option('--description <text>', 'what the data is', '')
    .option('--modality <slug>', 'e.g. xray, ct, mri, pet: used where the files do not say', '')
    .option('--body-part <slug>', 'e.g. chest: used where the files do not say', '')
    .option('--split-seed <n>', 'seed of the split by subject, where the files give no split', integer, 0)
    .option('--val <share>', 'share of subjects for validation (default 0.15)', fraction, 0)
    .option('--test <share>', 'share of subjects for test (default 0.25)', fraction, 0)
    .option('--skip-bad-files', 'ingest the good files although others are refused', false)
    .option(
      '--allow-md5-mismatch',
      'take a file with the name of a MedMNIST set for one although its MD5 is another: own data of that form',
      false,
    )
    .option(
      '--normalise <modality=rule:low:high>',
      'another rule than the usual one: hu-window, percentile, z-score, suv-window; again for other modalities',
      collect,
      [],
    )
    .option(
      '--resample <mm>',
      'spacing to bring images to: rows and columns, or slices first',
      millimetres,
      [],
    )
    .option('--resample-shape <axes>', 'edges to bring images to, in the same order', axes, [])
    .option('--seed <n>', 'phantom: seed of the cohort', integer, 0)
    .option('--patients <n>', 'phantom: patients with 2D images', count, 0)
    .option('--volume-patients <n>', 'phantom: the first so many also get 3D volumes', count, 0)
    .option('--image-shape <axes>', 'phantom: rows and columns of images (default 28x28)', axes, [])
    .option('--volume-shape <axes>', 'phantom: slices, rows and columns (default 28x28x28)', axes, [])
    .option('--groups <n>', 'phantom-groups: groups of patients to tell apart (default 20)', count, 0)
    .option(
      '--per-group <n,n,n>',
      'phantom-groups: patients to train, val, test (default 8,2,10)',
      integers,
      [],
    )
    .option('--levels <names>', 'phantom-groups: levels of the head (default ventricles)', words, [])
    .option('--sequences <names>', 'phantom-groups: t1, t2 (default t1)', words, [])
    .option('--volumes', 'phantom-groups: a volume beside every image', false)
    .addHelpText(
      'after',
      `
Examples:
  $ medformer ingest pneumoniamnist.npz --name pneumonia --modality xray --body-part chest
  $ medformer ingest scans/ --name my-scans --skip-bad-files
  $ medformer ingest brains/ --name brains --normalise mri=z-score:-3:3 --resample 1x1x1
  $ medformer ingest phantom --name phantom --patients 250 --volume-patients 40
  $ medformer ingest phantom-groups --name groups --groups 20 --per-group 8,2,10

An interrupted upload goes on where it broke when the same command runs again.`,
    )
    .action(
      bind(async (context, source: string, options: Options) => {
        const outcome = await ingest(context, {
          name: options.name,
          source: await sourceOf(context, source, options),
          options: {
            description: options.description,
            modality: options.modality,
            bodyPart: options.bodyPart,
            splitSeed: BigInt(options.splitSeed),
            valFraction: options.val,
            testFraction: options.test,
            skipBadFiles: options.skipBadFiles,
            allowMd5Mismatch: options.allowMd5Mismatch,
            normalisation: Object.fromEntries(options.normalise.map(normalisationRule)),
            resampleShape: options.resampleShape,
            resampleSpacingMm: options.resample,
          },
        });
        context.terminal.result(outcome, describe(outcome));
      }),
    );
}

async function sourceOf(
  context: Context,
  source: string,
  { seed, patients, volumePatients, imageShape, volumeShape, ...options }: Options,
): Promise<NonNullable<IngestRequest['source']>> {
  if (source === 'phantom' || source === 'phantom-groups') {
    const groups = source === 'phantom-groups' ? groupsOf(options) : undefined;
    const value = { seed: BigInt(seed), patients, volumePatients, imageShape, volumeShape, groups };
    return { $case: 'phantom', value };
  }
  return { $case: 'uploadId', value: await upload(context, source) };
}

function groupsOf({ groups, perGroup, levels, sequences, volumes }: Pick<Options, GroupOption>) {
  const [train = 0, val = 0, test = 0] = perGroup;
  return { groups, train, val, test, levels, sequences, volumes };
}

function describe(outcome: IngestOutcome): string {
  return facts([
    ['dataset', outcome.alreadyPresent ? `${outcome.name} (already present, nothing written)` : outcome.name],
    ['manifest', outcome.manifest],
    ['images', `${outcome.images} of ${outcome.subjects} subjects`],
    ...(outcome.refused.length > 0
      ? [['refused', `${outcome.refused.length} files`] as [string, string]]
      : []),
  ]);
}
