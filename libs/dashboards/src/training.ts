import { chart, dashboard, number } from './panels.js';
import { largest, quantile, rate, total } from './promql.js';

export const training = dashboard({
  uid: 'medformer-training',
  title: 'Medformer / Training',
  description:
    'Do runs learn, how fast, and are they well? Series are by method: runs are found by their logs.',
  rows: [
    {
      title: 'Now',
      panels: [
        number({
          title: 'Runs that train',
          description: 'Of this service or these jobs.',
          unit: 'short',
          queries: [[total('medformer_trainer_runs', [], 'state="running"'), '']],
        }),
        number({
          title: 'Runs that wait',
          description: 'For a place to train.',
          unit: 'short',
          queries: [[total('medformer_trainer_runs', [], 'state="queued"'), '']],
        }),
        number({
          title: 'Images a second',
          description: 'Views of one image count once.',
          unit: 'short',
          queries: [[rate('medformer_trainer_images_total'), '']],
        }),
        number({
          title: 'Collapsed',
          description: 'Methods whose newest step has nearly equal embeddings.',
          unit: 'short',
          queries: [['sum (medformer_trainer_collapsed{job=~"$job"})', '']],
        }),
        number({
          title: 'Failed steps, 1 h',
          description: 'Without a finite loss or gradient; each is kept to be replayed.',
          unit: 'short',
          queries: [
            ['sum (increase(medformer_trainer_failed_steps_total{job=~"$job"}[1h])) or vector(0)', ''],
          ],
        }),
        number({
          title: 'Checkpoints, 1 h',
          description: 'Written.',
          unit: 'short',
          queries: [['sum (increase(medformer_trainer_checkpoints_total{job=~"$job"}[1h]))', '']],
        }),
      ],
    },
    {
      title: 'Learning',
      panels: [
        chart({
          title: 'Loss',
          description: 'Of the last step, with where theory has it start, end, and stay on collapse.',
          unit: 'short',
          queries: [
            [largest('medformer_trainer_loss', ['method']), '{{method}}'],
            [largest('medformer_trainer_expected_loss', ['method', 'bound']), '{{method}} {{bound}}'],
          ],
        }),
        chart({
          title: 'Gradient norm',
          description: 'Before clipping; spikes come before a loss that is lost.',
          unit: 'short',
          queries: [[largest('medformer_trainer_gradient_norm', ['method']), '{{method}}']],
        }),
        chart({
          title: 'Spread of embeddings',
          description: 'Near 1 healthy, near 0 collapsed.',
          unit: 'short',
          queries: [[largest('medformer_trainer_embedding_std', ['method']), '{{method}}']],
        }),
        chart({
          title: 'Directions of embeddings',
          description: 'RankMe, as they are and about their mean; the latter below 4 when collapsed.',
          unit: 'short',
          queries: [
            [largest('medformer_trainer_effective_rank', ['method']), '{{method}}'],
            [largest('medformer_trainer_centred_rank', ['method']), '{{method}} centred'],
          ],
        }),
        chart({
          title: 'Online accuracy',
          description: 'On validation images, while it trains.',
          unit: 'percentunit',
          queries: [
            [largest('medformer_trainer_online_accuracy', ['method', 'protocol']), '{{method}} {{protocol}}'],
          ],
        }),
        chart({
          title: 'Online AUC',
          description: 'On validation images, while it trains.',
          unit: 'percentunit',
          queries: [
            [largest('medformer_trainer_online_auc', ['method', 'protocol']), '{{method}} {{protocol}}'],
          ],
        }),
      ],
    },
    {
      title: 'Speed',
      panels: [
        chart({
          title: 'Images a second',
          description: 'By method.',
          unit: 'short',
          queries: [[rate('medformer_trainer_images_total', ['method']), '{{method}}']],
        }),
        chart({
          title: 'Time of a step',
          description: 'p50 and p95, views included where they outlast it.',
          unit: 's',
          queries: [
            [quantile(0.5, 'medformer_trainer_step_seconds', ['method']), '{{method}} p50'],
            [quantile(0.95, 'medformer_trainer_step_seconds', ['method']), '{{method}} p95'],
          ],
        }),
        chart({
          title: 'Steps that ran op by op',
          description: 'They could not be recorded and are slower.',
          unit: 'short',
          queries: [
            [`${rate('medformer_trainer_eager_steps_total', ['method'])} or vector(0)`, '{{method}}'],
          ],
        }),
        chart({
          title: 'Time of an online evaluation',
          description: 'p95; the next step waits for it.',
          unit: 's',
          queries: [[quantile(0.95, 'medformer_trainer_online_seconds', ['method']), '{{method}}']],
        }),
        chart({
          title: 'Warnings',
          description: 'A wrong start of the loss, collapse, steps that cannot be recorded.',
          unit: 'short',
          queries: [[`${rate('medformer_trainer_warnings_total', ['method'])} or vector(0)`, '{{method}}']],
        }),
        chart({
          title: 'GPU use of trainers',
          description: 'By pod, of the DCGM exporter: low while a run trains means that it waits for data.',
          unit: 'percentunit',
          queries: [['medformer:gpu_utilisation:ratio{job=~"trainer.*"}', '{{pod}} {{gpu}}']],
        }),
      ],
    },
  ],
});
