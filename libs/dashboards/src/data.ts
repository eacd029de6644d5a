import { chart, dashboard, number } from './panels.js';
import { largest, quantile, rate, total } from './promql.js';

export const data = dashboard({
  uid: 'medformer-data',
  title: 'Medformer / Data',
  description:
    'What stands in the store, what comes in or is refused, what is fused, and how models score on it.',
  rows: [
    {
      title: 'Now',
      panels: [
        number({
          title: 'Data sets',
          description: 'The newest version of each name.',
          unit: 'short',
          queries: [[largest('medformer_dataset_count'), '']],
        }),
        number({
          title: 'Images',
          description: 'Of the newest versions.',
          unit: 'short',
          queries: [[`sum (${largest('medformer_dataset_images', ['modality'])})`, '']],
        }),
        number({
          title: 'Bytes',
          description: 'Of their shards.',
          unit: 'bytes',
          queries: [[largest('medformer_dataset_bytes'), '']],
        }),
        number({
          title: 'Ingests under way',
          description: 'More than four of a service are refused as busy.',
          unit: 'short',
          queries: [[total('medformer_ingestion_under_way'), '']],
        }),
        number({
          title: 'Evaluations',
          description: 'Those that are computed share one process.',
          unit: 'short',
          queries: [[total('medformer_evaluation_jobs', ['state']), '{{state}}']],
        }),
        number({
          title: 'Refusals, 1 h',
          description: 'Of ingests, and files left out.',
          unit: 'short',
          queries: [['sum (increase(medformer_ingestion_refusals_total{job=~"$job"}[1h]))', '']],
        }),
      ],
    },
    {
      title: 'Ingestion',
      panels: [
        chart({
          title: 'Images by modality',
          description: 'What the store holds.',
          unit: 'short',
          queries: [[largest('medformer_dataset_images', ['modality']), '{{modality}}']],
        }),
        chart({
          title: 'Images written',
          description: 'A second, into data sets.',
          unit: 'short',
          queries: [[rate('medformer_ingestion_images_total'), 'images']],
        }),
        chart({
          title: 'Upload',
          description: 'Bytes of files from callers.',
          unit: 'Bps',
          queries: [[rate('medformer_ingestion_upload_bytes_total'), 'upload']],
        }),
        chart({
          title: 'Ingests by outcome',
          description: 'present: nothing to do; refused: the caller can help it.',
          unit: 'short',
          queries: [[rate('medformer_ingestion_ingests_total', ['outcome']), '{{outcome}}']],
        }),
        chart({
          title: 'Refusals by reason',
          description: 'bad-file: left out as told.',
          unit: 'short',
          queries: [[rate('medformer_ingestion_refusals_total', ['reason']), '{{reason}}']],
        }),
      ],
    },
    {
      title: 'Augmentation',
      panels: [
        chart({
          title: 'Views and fusions',
          description: 'Made a second.',
          unit: 'short',
          queries: [
            [rate('medformer_augmentation_views_total'), 'views'],
            [rate('medformer_augmentation_fusions_total'), 'fusions'],
          ],
        }),
        chart({
          title: 'Time of a call that fuses',
          description: 'p50 and p95.',
          unit: 's',
          queries: [
            [quantile(0.5, 'medformer_augmentation_fuse_seconds'), 'p50'],
            [quantile(0.95, 'medformer_augmentation_fuse_seconds'), 'p95'],
          ],
        }),
        chart({
          title: 'Calls that fuse, by outcome',
          description: 'failed is our fault.',
          unit: 'short',
          queries: [[rate('medformer_augmentation_fuse_calls_total', ['outcome']), '{{outcome}}']],
        }),
        chart({
          title: 'Generator',
          description: 'Loss of the last step while one trains.',
          unit: 'short',
          queries: [[largest('medformer_augmentation_generator_loss'), 'loss']],
        }),
      ],
    },
    {
      title: 'Evaluation',
      panels: [
        chart({
          title: 'Scores',
          description: 'Best row of a protocol in the newest report of a data set.',
          unit: 'percentunit',
          queries: [
            [
              largest('medformer_evaluation_score', ['dataset', 'protocol', 'metric']),
              '{{dataset}} {{protocol}} {{metric}}',
            ],
          ],
        }),
        chart({
          title: 'Evaluations by outcome',
          description: 'found: an equal one was stored.',
          unit: 'short',
          queries: [[rate('medformer_evaluation_evaluations_total', ['outcome']), '{{outcome}}']],
        }),
        chart({
          title: 'Promotions',
          description: 'What gates decided of checkpoints that ask to be served.',
          unit: 'short',
          queries: [[rate('medformer_evaluation_promotions_total', ['outcome']), '{{outcome}}']],
        }),
        chart({
          title: 'Time of an evaluation',
          description: 'p50 and p95 of computed ones.',
          unit: 's',
          queries: [
            [quantile(0.5, 'medformer_evaluation_seconds'), 'p50'],
            [quantile(0.95, 'medformer_evaluation_seconds'), 'p95'],
          ],
        }),
      ],
    },
  ],
});
