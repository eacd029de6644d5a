import { chart, dashboard, number } from './panels.js';
import { largest, quantile, rate, total } from './promql.js';

const IMAGES = 'medformer_encoder_requests_total';
const STAGE = 'medformer_encoder_stage_seconds';

export const encoder = dashboard({
  uid: 'medformer-encoder',
  title: 'Medformer / Encoder',
  description: 'Throughput, latency by stage, batching, shedding and drift of the serving encoder.',
  rows: [
    {
      title: 'Now',
      panels: [
        number({
          title: 'Images a second',
          description: 'Encoded.',
          unit: 'short',
          queries: [[rate('medformer_encoder_images_total'), '']],
        }),
        number({
          title: 'Shed',
          description: 'Share of images refused for what was full or late.',
          unit: 'percentunit',
          queries: [[`(${rate(IMAGES, [], 'outcome="shed"')} or vector(0)) / ${rate(IMAGES)}`, '']],
        }),
        number({
          title: 'Failed',
          description: 'Share of images that failed for our fault.',
          unit: 'percentunit',
          queries: [[`(${rate(IMAGES, [], 'outcome="failed"')} or vector(0)) / ${rate(IMAGES)}`, '']],
        }),
        number({
          title: 'Waiting',
          description: 'Images in the queue.',
          unit: 'short',
          queries: [[total('medformer_encoder_queue_depth'), '']],
        }),
        number({
          title: 'Models that answer',
          description: 'Loaded and warm, over all replicas.',
          unit: 'short',
          queries: [[total('medformer_encoder_models_loaded'), '']],
        }),
        number({
          title: 'Encode, p99',
          description: 'Of the unary call, first message to end.',
          unit: 's',
          queries: [[quantile(0.99, 'grpc_server_handling_seconds', [], 'grpc_method="Encode"'), '']],
        }),
      ],
    },
    {
      title: 'Traffic',
      panels: [
        chart(
          {
            title: 'Images by outcome',
            description: 'refused: what the caller did; shed: what was full or late; failed: our fault.',
            unit: 'short',
            queries: [[rate(IMAGES, ['outcome', 'reason']), '{{outcome}} {{reason}}']],
          },
          { stacked: true },
        ),
        chart({
          title: 'Queue',
          description: 'Images that wait for their batch.',
          unit: 'short',
          queries: [[total('medformer_encoder_queue_depth', ['job']), '{{job}}']],
        }),
        chart({
          title: 'Bytes pending',
          description: 'Of images that wait or are computed.',
          unit: 'bytes',
          queries: [[total('medformer_encoder_pending_bytes', ['job']), '{{job}}']],
        }),
      ],
    },
    {
      title: 'Latency',
      panels: [
        chart({
          title: 'Stages, p50',
          description: 'Queue, input (decoding), infer (its whole batch), output.',
          unit: 's',
          queries: [[quantile(0.5, STAGE, ['stage']), '{{stage}}']],
        }),
        chart({
          title: 'Stages, p99',
          description: 'A long queue beside a short infer: add replicas or wait less for batches.',
          unit: 's',
          queries: [[quantile(0.99, STAGE, ['stage']), '{{stage}}']],
        }),
        chart({
          title: 'Encode and ModelInfer',
          description: 'p50, p95, p99 of the calls.',
          unit: 's',
          queries: [0.5, 0.95, 0.99].map(
            (q) =>
              [
                quantile(
                  q,
                  'grpc_server_handling_seconds',
                  ['grpc_method'],
                  'grpc_method=~"Encode|ModelInfer"',
                ),
                `{{grpc_method}} p${q * 100}`,
              ] as const,
          ),
        }),
      ],
    },
    {
      title: 'Batching and drift',
      panels: [
        chart({
          title: 'Images a batch',
          description: 'Mean and p95, padding left out.',
          unit: 'short',
          queries: [
            [
              `${rate('medformer_encoder_batch_size_sum')} / ${rate('medformer_encoder_batch_size_count')}`,
              'mean',
            ],
            [quantile(0.95, 'medformer_encoder_batch_size'), 'p95'],
          ],
        }),
        chart({
          title: 'Drift of embeddings',
          description: 'From those of the training images: 0 alike, 1 as far away as they are wide.',
          unit: 'short',
          queries: [[largest('medformer_encoder_embedding_drift', ['job']), '{{job}}']],
        }),
        chart({
          title: 'Tensors alive',
          description: 'In encoding processes; flat whatever the load.',
          unit: 'short',
          queries: [[total('medformer_compute_tensors', ['job'], 'process="encoding"'), '{{job}}']],
        }),
        chart({
          title: 'Memory',
          description: 'Of encoding and decoding processes.',
          unit: 'bytes',
          queries: [
            [
              largest('medformer_compute_resident_bytes', ['process'], 'process=~"encoding|decoding"'),
              '{{process}}',
            ],
          ],
        }),
      ],
    },
  ],
});
