import { EvaluationServiceService } from '@medformer/gen/evaluation';
import { DataReport, MedformerError, parseRecord } from '@medformer/schema';
import type { Context } from './context.js';
import { facts, table } from './terminal.js';
import { writeWhole } from './write-whole.js';

/** Pairs that the terminal shows; the page and --json have all that are listed. */
const SHOWN_PAIRS = 10;

export interface DescribedCohort {
  report: string;
  record: DataReport;
  /** What stands in two splits, in a sentence; empty where nothing does. */
  leakage: string;
}

/** Describes data sets with live progress; what was described before is found. */
export async function describeDatasets(
  { connection, terminal }: Context,
  spec: { datasets: string[]; checkpoint?: unknown },
): Promise<DescribedCohort> {
  const progress = terminal.progress('data report');
  const request = { spec };
  try {
    for await (const { event } of connection.serverStream(
      EvaluationServiceService.describeDatasets,
      request,
    )) {
      if (event?.$case === 'progress') {
        progress.update(event.value.done, event.value.total, event.value.stage);
      } else if (event?.$case === 'finished') {
        const { report, record, leakage } = event.value;
        return { report, record: parseRecord(DataReport, record, `data report ${report}`), leakage };
      }
    }
  } finally {
    progress.stop();
  }
  throw new MedformerError('DATA_LOSS', 'the service ended without a report');
}

/** Writes the report's HTML page whole or not at all. */
export async function writeDataReportPage(
  { connection }: Context,
  report: string,
  file: string,
): Promise<void> {
  const answers = connection.serverStream(EvaluationServiceService.renderDataReport, { report });
  const chunks = async function* () {
    for await (const { htmlChunk } of answers) yield htmlChunk;
  };
  await writeWhole(file, chunks());
}

export function dataReportText({ record, leakage }: DescribedCohort): string {
  const { datasets, duplicates, similarity } = record;
  const shown = (mean: number | null | undefined) => (mean == null ? 'unknown' : mean.toFixed(2));
  const alike = ({ within, between }: typeof similarity.pixels) =>
    `within groups ${shown(within)}, between groups ${shown(between)}`;
  const found = ({ leaking, within }: typeof duplicates.exact) =>
    `${leaking} across splits, ${within} within one`;
  const balance = datasets.flatMap(({ name, balance: tasks }) =>
    tasks.map(({ task, images }): [string, string] => [
      datasets.length > 1 ? `${name} ${task}` : `task ${task}`,
      Object.entries(images)
        .map(([split, counts = []]) => `${split} ${counts.join('/')}`)
        .join(', '),
    ]),
  );
  return [
    facts([
      ['leakage', leakage === '' ? 'none: no image and no subject stands in two splits' : leakage],
      ['equal images', found(duplicates.exact)],
      ['near copies', found(duplicates.near)],
      ['blank images', String(record.blankImages)],
      ['pixels', alike(similarity.pixels)],
      ...(similarity.embedding ? [['embeddings', alike(similarity.embedding)] as [string, string]] : []),
      ...balance,
      [
        'shapes',
        datasets
          .flatMap(({ shapes }) => shapes.map(({ shape, images }) => `${shape.join('×')}: ${images}`))
          .join(', '),
      ],
    ]),
    groupTable(record),
    ...(duplicates.listed.length > 0 ? [pairTable(record)] : []),
  ].join('\n');
}

function groupTable({ groups, similarity, datasets }: DataReport): string {
  const { pixels, embedding } = similarity;
  const shown = (mean: number | null | undefined) => (mean == null ? '' : mean.toFixed(2));
  const rows = groups.map(({ dataset, modality, bodyPart, axes, images, subjects }, at) => [
    ...(datasets.length > 1 ? [datasets[dataset]!.name] : []),
    `${modality} ${bodyPart} ${axes}D`,
    String(images),
    String(subjects),
    shown(pixels.means[at]?.[at]),
    ...(embedding ? [shown(embedding.means[at]?.[at])] : []),
  ]);
  return table(
    [
      ...(datasets.length > 1 ? ['dataset'] : []),
      'group',
      'images',
      'subjects',
      'pixels within',
      ...(embedding ? ['embeddings within'] : []),
    ],
    rows,
  );
}

function pairTable({ duplicates: { listed } }: DataReport): string {
  const rows = listed
    .slice(0, SHOWN_PAIRS)
    .map(({ kind, images, leaks, hashDistance, detailCorrelation, embeddingCosine }) => [
      ...images.map(({ id, split }) => `${id} (${split})`),
      `${kind}${leaks ? ', leaks' : ''}`,
      String(hashDistance),
      detailCorrelation.toFixed(2),
      embeddingCosine === undefined ? '' : embeddingCosine.toFixed(2),
    ]);
  return table(['first', 'second', 'kind', 'bits that differ', 'fine structure', 'embedding cosine'], rows);
}
