import { IngestionServiceService } from '@medformer/gen/ingestion';
import { DatasetManifest, parseRecord } from '@medformer/schema';
import type { Command } from 'commander';
import { resolveCheckpoint } from '../checkpoints.js';
import type { WithContext } from '../context.js';
import { dataReportText, describeDatasets, writeDataReportPage } from '../data-report.js';
import { facts, megabytes, short, table } from '../terminal.js';

export function registerDatasets(program: Command, bind: WithContext): void {
  const datasets = program.command('datasets').description('list, show and examine ingested datasets');
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
      `${space.kind}: ${space.classes.join(', ')}`,
    ]),
  ]);
}

function counts(census: Record<string, number | undefined>): string {
  return Object.entries(census)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
}
