import { Counter, Gauge, Histogram, metrics } from '@medformer/telemetry';
import { onlineScores } from './online-scores.js';
import type { TrainingEvent } from './training-calls.js';

const labelNames = ['method'] as const;
const registers = [metrics];

const steps = new Counter({
  name: 'medformer_trainer_steps_total',
  help: 'Training steps done.',
  labelNames,
  registers,
});
const images = new Counter({
  name: 'medformer_trainer_images_total',
  help: 'Images trained on; views of one image count once.',
  labelNames,
  registers,
});
const checkpoints = new Counter({
  name: 'medformer_trainer_checkpoints_total',
  help: 'Checkpoints written.',
  labelNames,
  registers,
});
const eagerSteps = new Counter({
  name: 'medformer_trainer_eager_steps_total',
  help: 'Steps that ran op by op, because they could not be recorded.',
  labelNames,
  registers,
});
const loss = new Gauge({
  name: 'medformer_trainer_loss',
  help: 'Loss of the last step.',
  labelNames,
  registers,
});
const gradientNorm = new Gauge({
  name: 'medformer_trainer_gradient_norm',
  help: 'Global gradient norm of the last step, before clipping.',
  labelNames,
  registers,
});
const embeddingStd = new Gauge({
  name: 'medformer_trainer_embedding_std',
  help: 'Spread of the embeddings in the last batch: near 1 healthy, near 0 collapsed.',
  labelNames,
  registers,
});
const effectiveRank = new Gauge({
  name: 'medformer_trainer_effective_rank',
  help: 'Directions that the embeddings of the last batch use (RankMe): near 1 collapsed.',
  labelNames,
  registers,
});
const centredRank = new Gauge({
  name: 'medformer_trainer_centred_rank',
  help: 'Directions in which the embeddings of the last batch differ from their mean (RankMe): below 4 when collapsed.',
  labelNames,
  registers,
});
const expectedLoss = new Gauge({
  name: 'medformer_trainer_expected_loss',
  help: 'What theory says of the loss: start, floor, and where it stays on collapse.',
  labelNames: ['method', 'bound'] as const,
  registers,
});
const collapsed = new Gauge({
  name: 'medformer_trainer_collapsed',
  help: '1 while all embeddings are nearly the same, by the health of the run.',
  labelNames,
  registers,
});
const failedSteps = new Counter({
  name: 'medformer_trainer_failed_steps_total',
  help: 'Steps without a finite loss or gradient, each kept to be replayed.',
  labelNames,
  registers,
});
const warnings = new Counter({
  name: 'medformer_trainer_warnings_total',
  help: 'Warnings of runs: a wrong start of the loss, collapse, steps that cannot be recorded.',
  labelNames,
  registers,
});
const onlineLabels = ['method', 'protocol'] as const;
const onlineAccuracy = new Gauge({
  name: 'medformer_trainer_online_accuracy',
  help: 'Accuracy of the newest online evaluation on validation images.',
  labelNames: onlineLabels,
  registers,
});
const onlineAuc = new Gauge({
  name: 'medformer_trainer_online_auc',
  help: 'AUC of the newest online evaluation on validation images.',
  labelNames: onlineLabels,
  registers,
});
const onlineSeconds = new Histogram({
  name: 'medformer_trainer_online_seconds',
  help: 'Time of an online evaluation, which the next step waits for.',
  labelNames,
  registers,
  buckets: [0.1, 0.3, 1, 3, 10, 30, 100],
});
const stepSeconds = new Histogram({
  name: 'medformer_trainer_step_seconds',
  help: 'Time of a training step, its views included where they outlast it.',
  labelNames,
  registers,
  buckets: [0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30],
});

let runsByState: () => Record<'queued' | 'running', number> = () => ({ queued: 0, running: 0 });

new Gauge({
  name: 'medformer_trainer_runs',
  help: 'Runs by state.',
  labelNames: ['state'] as const,
  registers,
  collect() {
    for (const [state, count] of Object.entries(runsByState())) this.set({ state }, count);
  },
});

/** Whom to ask, when somebody reads the metrics, how many runs wait and train. */
export function countRunsBy(count: typeof runsByState): void {
  runsByState = count;
}

/** Counts what a training process tells. */
export function observeTraining(method: string, event: TrainingEvent): void {
  const labels = { method };
  if (event.type === 'checkpoint') checkpoints.inc(labels);
  if (event.type === 'failed-step') failedSteps.inc(labels);
  if (event.type === 'warning') warnings.inc(labels);
  if (event.type !== 'step') return;
  const { report } = event;
  // From the first step, so that a rate sees the first that fails.
  for (const counter of [failedSteps, warnings, eagerSteps]) counter.inc(labels, 0);
  steps.inc(labels);
  images.inc(labels, report.images);
  if (!report.recorded) eagerSteps.inc(labels);
  loss.set(labels, report.loss);
  gradientNorm.set(labels, report.gradientNorm);
  if (report.embeddingStd !== undefined) embeddingStd.set(labels, report.embeddingStd);
  if (report.effectiveRank !== undefined) effectiveRank.set(labels, report.effectiveRank);
  if (report.centredRank !== undefined) centredRank.set(labels, report.centredRank);
  for (const bound of ['start', 'floor', 'collapsed'] as const) {
    const value = report.expectedLoss[bound];
    if (value === undefined) expectedLoss.remove({ method, bound });
    else expectedLoss.set({ method, bound }, value);
  }
  collapsed.set(labels, report.collapsed ? 1 : 0);
  stepSeconds.observe(labels, report.stepMs / 1000);
  if (report.onlineMs !== undefined) onlineSeconds.observe(labels, report.onlineMs / 1000);
  for (const { protocol, accuracy, auc } of onlineScores(report.online)) {
    onlineAccuracy.set({ method, protocol }, accuracy);
    onlineAuc.set({ method, protocol }, auc);
  }
}
