import { z } from 'zod';
import type { HistoryEntry } from './checkpoint-record.js';
import { onlineMetric, RunMetric } from './monitor-spec.js';

/**
 * Which checkpoints of a run stay. It changes nothing of what the run computes and is no part of its id: a run goes on
 * under another wish when it is started with one.
 */
export const KeepSpec = z.strictObject({
  /** So many of the newest; one more than a resume needs by default, so that who reads the last but one is not cut off. */
  last: z.number().int().min(1).default(2),
  /** The best by this, the first of equally good ones. An online score counts at the step it was taken at. */
  best: RunMetric.optional(),
  /** Those of every so many steps, whatever else a run writes, such as when it is interrupted. */
  every: z.number().int().min(1).optional(),
  /** Write the weights that training starts from, at step 0, and keep them. */
  initial: z.boolean().default(false),
  /** So many of the newest steps that failed, each as large as a checkpoint and its batch. */
  failedSteps: z.number().int().min(1).default(3),
});
export type KeepSpec = z.infer<typeof KeepSpec>;

/** Why a checkpoint stays. */
export type KeptAs = 'last' | 'best' | 'every' | 'initial';

/** The loss of a checkpoint is the mean over this many last steps: that of one batch is noise. */
const LOSS_WINDOW = 20;

/** What a run's checkpoint at this step is worth by a metric, or undefined where that was not measured. */
export function metricAt(
  history: readonly HistoryEntry[],
  metric: RunMetric,
  step: number,
): number | undefined {
  const end = history.findIndex((entry) => entry.step === step) + 1;
  if (end === 0) return undefined;
  const online = onlineMetric(metric);
  if (online) return history[end - 1]!.online?.[online.protocol]?.[online.score];
  const window = history.slice(Math.max(0, end - LOSS_WINDOW), end);
  return window.reduce((sum, { loss }) => sum + loss, 0) / window.length;
}

/**
 * Which of a run's checkpoints stay, by step, and why. It follows from the steps and the history alone, so that no
 * pointer to the best can be behind the checkpoints.
 */
export function keptSteps(
  steps: readonly number[],
  history: readonly HistoryEntry[],
  { last, best, every, initial }: Omit<KeepSpec, 'failedSteps'>,
): Map<number, KeptAs[]> {
  const ordered = [...steps].sort((x, y) => x - y);
  const kept = new Map<number, KeptAs[]>();
  const keep = (step: number, why: KeptAs) => kept.set(step, [...(kept.get(step) ?? []), why]);
  if (initial && ordered[0] === 0) keep(0, 'initial');
  const bestStep = best && bestOf(ordered, history, best);
  if (bestStep !== undefined) keep(bestStep, 'best');
  if (every !== undefined)
    for (const step of ordered) if (step > 0 && step % every === 0) keep(step, 'every');
  for (const step of ordered.slice(-last)) keep(step, 'last');
  return kept;
}

function bestOf(
  ordered: readonly number[],
  history: readonly HistoryEntry[],
  metric: RunMetric,
): number | undefined {
  const sign = metric === 'loss' ? -1 : 1;
  let best: { step: number; value: number } | undefined;
  for (const step of ordered) {
    const value = metricAt(history, metric, step);
    if (value !== undefined && (!best || sign * value > sign * best.value)) best = { step, value };
  }
  return best?.step;
}
