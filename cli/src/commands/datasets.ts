import {
  type DatasetVerification,
  type DiffDatasetsResponse,
  IngestionServiceService,
} from '@medformer/gen/ingestion';
import { DatasetManifest, MedformerError, parseRecord, Split } from '@medformer/schema';
import type { Command } from 'commander';
import { count, integer } from '../arguments.js';
import { resolveCheckpoint } from '../checkpoints.js';
import type { Context, WithContext } from '../context.js';
import { dataReportText, describeDatasets, writeDataReportPage } from '../data-report.js';
import { writeDatasetPage } from '../dataset-page.js';
import { facts, megabytes, seconds, short, table } from '../terminal.js';

/** Every byte of a dataset, or every record of a store, is read before there is an answer. */
const READING_TIMEOUT_MS = 60 * 60 * 1000;

interface PageOptions {
  out?: string;
  perKind: number;
  limit: number;
  edge: number;
  seed: number;
}

export function registerDatasets(program: Command, bind: WithContext): void {
  const datasets = program
    .command('datasets')
    .description('list, show, examine, compare and remove datasets');
  datasets
    .command('ls')
    .description('every dataset by name')
    .action(
      bind(async ({ connection, terminal }) => {
        const { datasets } = await connection.unary(IngestionServiceService.listDatasets, {});
        const rows = datasets.map((dataset) => [
          dataset.name,
          short(dataset.manifest),
          String(dataset.images),
          String(dataset.subjects),
        ]);
        const records = datasets.map(({ alreadyPresent: _, ...dataset }) => dataset);
        terminal.result(records, table(['name', 'manifest', 'images', 'subjects'], rows));
      }),
    );
  datasets
    .command('show')
    .description('a manifest: splits, labels, shapes, normalisation')
    .argument('<dataset>', 'name, manifest address, or name@address')
    .addHelpText('after', '\nExample:\n  $ medformer datasets show phantom')
    .action(
      bind(async ({ connection, terminal }, dataset: string) => {
        const { manifest, record } = await connection.unary(IngestionServiceService.getDataset, { dataset });
        const parsed = parseRecord(DatasetManifest, record, `dataset ${dataset}`);
        terminal.result({ manifest, record: parsed }, describe(manifest, parsed));
      }),
    );
  datasets
    .command('diff')
    .description('which images came, went or changed from one dataset to another')
    .argument('<before>', 'name, manifest address, or name@address')
    .argument('<after>', 'the same')
    .option('--limit <n>', 'most image ids of each kind', Number, 20)
    .addHelpText('after', '\nExample:\n  $ medformer datasets diff scans@$OLD scans')
    .action(
      bind(async ({ connection, terminal }, before: string, after: string, { limit }: { limit: number }) => {
        const request = { before, after, limit };
        const difference = await connection.unary(IngestionServiceService.diffDatasets, request, {
          timeoutMs: READING_TIMEOUT_MS,
        });
        terminal.result(difference, differenceText(difference));
      }),
    );
  datasets
    .command('verify')
    .description('read all of a dataset again: hashes, counts, records, splits')
    .argument('<dataset>', 'name, manifest address, or name@address')
    .addHelpText('after', '\nEnds with exit code 25 (DATA_LOSS) when anything is not as its manifest says.')
    .action(
      bind(async (context, dataset: string) => {
        const verification = await verify(context, dataset);
        context.terminal.result(verification, verificationText(verification));
        const { faults } = verification;
        if (faults.length > 0)
          throw new MedformerError(
            'DATA_LOSS',
            `${dataset}: ${faults.length} faults, the first: ${faults[0]}`,
          );
      }),
    );
  datasets
    .command('page')
    .description('an HTML page for the eye: pictures of every modality and class, geometry, labels, census')
    .argument('<dataset>', 'name, manifest address, or name@address')
    .option('-o, --out <file>', 'where to write it (default: the name with .html)')
    .option('--per-kind <n>', 'images of each modality and body part, and of each class among them', count, 4)
    .option('--limit <n>', 'images in all, 500 at most', count, 200)
    .option('--edge <pixels>', "of a picture's longer side, 16 to 192", count, 96)
    .option('--seed <n>', 'other seeds draw other images', integer, 0)
    .addHelpText('after', '\nExample:\n  $ medformer datasets page phantom --out phantom.html')
    .action(
      bind(async (context, dataset: string, { out, seed, ...options }: PageOptions) => {
        const page = out ?? `${dataset.split('@')[0]}.html`;
        const request = { ...options, dataset, seed: BigInt(seed) };
        const images = await writeDatasetPage(context, request, page);
        context.terminal.result({ page, images }, `${page}: ${images} images; open it in a browser`);
      }),
    );
  datasets
    .command('rm')
    .description('take one version of a dataset away')
    .argument('<dataset>', 'name (its newest version), manifest address, or name@address')
    .option('--force', 'also when runs were started on it', false)
    .addHelpText('after', '\nIts space is freed by `medformer datasets gc`.')
    .action(
      bind(async ({ connection, terminal }, dataset: string, { force }: { force: boolean }) => {
        const request = { dataset, force };
        const removed = await connection.unary(IngestionServiceService.removeDataset, request);
        terminal.result(removed, `removed ${removed.name}@${removed.manifest}`);
      }),
    );
  datasets
    .command('gc')
    .description(
      'remove stored bytes that nothing names: of removed datasets, of runs and uploads that crashed',
    )
    .option('--dry-run', 'say what would go', false)
    .option('--older-than <hours>', 'only what was written this long ago, 24 at least', Number, 24)
    .action(
      bind(
        async ({ connection, terminal }, { dryRun, olderThan }: { dryRun: boolean; olderThan: number }) => {
          const request = { dryRun, olderThanHours: BigInt(olderThan) };
          const found = await connection.unary(IngestionServiceService.collectGarbage, request, {
            timeoutMs: READING_TIMEOUT_MS,
          });
          const { objects, bytes, named, young } = found;
          const what = `${objects} objects, ${megabytes(Number(bytes))}`;
          terminal.result(
            found,
            `${dryRun ? 'would remove' : 'removed'} ${what}; left ${named} that are named and ${young} that are young`,
          );
        },
      ),
    );
  datasets
    .command('report')
    .description('what stands in two splits, near copies, how alike images are, class balance')
    .argument('<dataset...>', 'names or manifest addresses, read as one cohort')
    .option('--checkpoint <checkpoint>', 'compare embeddings too: an address, or run=ID')
    .option('-o, --out <file>', 'write it as an HTML page too')
    .addHelpText(
      'after',
      `
Training refuses what leaks between splits unless its spec says \`leakage: warn\`.

Example:
  $ medformer datasets report phantom --checkpoint run=$RUN --out data.html`,
    )
    .action(
      bind(async (context, names: string[], options: { checkpoint?: string; out?: string }) => {
        const checkpoint = await resolveCheckpoint(context, options.checkpoint);
        const described = await describeDatasets(context, {
          datasets: names,
          ...(checkpoint === undefined ? {} : { checkpoint }),
        });
        if (options.out !== undefined) {
          await writeDataReportPage(context, described.report, options.out);
          context.terminal.note(`${options.out}: open it in a browser`);
        }
        context.terminal.result(described, dataReportText(described));
      }),
    );
}

async function verify({ connection, terminal }: Context, dataset: string): Promise<DatasetVerification> {
  const progress = terminal.progress(`verify ${dataset}`);
  const began = performance.now();
  try {
    const events = connection.serverStream(IngestionServiceService.verifyDataset, { dataset });
    for await (const { event } of events) {
      if (event?.$case === 'verification') return event.value;
      if (event?.$case !== 'progress') continue;
      const [done, total] = [Number(event.value.shards), Number(event.value.total)];
      const perSecond = done / ((performance.now() - began) / 1000);
      progress.update(done, total, `shards · ETA ${seconds((total - done) / perSecond)}`);
    }
  } finally {
    progress.stop();
  }
  throw new MedformerError('DATA_LOSS', 'the service ended without a verification');
}

function verificationText({ manifest, shards, images, bytes, faults }: DatasetVerification): string {
  return facts([
    ['manifest', manifest],
    ['shards', `${shards}, ${megabytes(Number(bytes))}`],
    ['images', String(images)],
    ['faults', faults.length === 0 ? 'none' : faults.join('\n')],
  ]);
}

function differenceText(difference: DiffDatasetsResponse): string {
  const { added, removed, changed, same, changedFields, manifestFields } = difference;
  const some = (count: bigint, ids: readonly string[]) =>
    count === 0n ? '0' : `${count}: ${ids.join(', ')}${count > BigInt(ids.length) ? ', …' : ''}`;
  const changedIn = Object.entries(changedFields)
    .map(([field, count]) => `${field} ${count}`)
    .join(', ');
  const images = difference.changedImages.map(({ id, fields }) => `${id} (${fields.join(', ')})`);
  return facts([
    ['before', difference.before],
    ['after', difference.after],
    ['same', String(same)],
    ['added', some(added, difference.addedIds)],
    ['removed', some(removed, difference.removedIds)],
    ['changed', some(changed, images)],
    ...(changed === 0n ? [] : [['in', changedIn] satisfies [string, string]]),
    ['manifest', manifestFields.length === 0 ? 'says the same' : `differs in ${manifestFields.join(', ')}`],
  ]);
}

function describe(address: string, manifest: DatasetManifest): string {
  const { census, source } = manifest;
  return facts([
    ['name', manifest.name],
    ['manifest', address],
    ['description', manifest.description],
    ['source', `${source.format}, ${source.files} files, ${megabytes(source.bytes)}`],
    ['synthetic', source.synthetic ? 'yes: generated, not patients' : 'no'],
    ['de-identified', [manifest.deidentification.profile, ...manifest.deidentification.notes].join('; ')],
    ['images', counts(census.images)],
    ['subjects', counts(census.subjects)],
    ['split', `${manifest.splits.policy}, seed ${manifest.splits.seed}`],
    ['modalities', counts(census.modalities)],
    ['body parts', counts(census.bodyParts)],
    ['shapes', census.shapes.map((s) => `${s.shape.join('×')} ${s.pixelType}: ${s.images}`).join(', ')],
    [
      'shards',
      `${manifest.shards.length}, ${megabytes(manifest.shards.reduce((sum, s) => sum + s.bytes, 0))}`,
    ],
    ...manifest.labelSpaces.map((space): [string, string] => [
      `task ${space.task}`,
      `${space.kind}: ${classCounts(space, census)}`,
    ]),
  ]);
}

/** `left train 12 val 3 test 5, right …`. */
function classCounts(
  { task, classes }: DatasetManifest['labelSpaces'][number],
  census: DatasetManifest['census'],
): string {
  const counted = census.labels[task] ?? {};
  const splits = Split.options.filter((split) => counted[split]);
  return classes
    .map((name, at) => [name, ...splits.map((split) => `${split} ${counted[split]?.[at] ?? 0}`)].join(' '))
    .join(', ');
}

function counts(census: Record<string, number | undefined>): string {
  return Object.entries(census)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
}
