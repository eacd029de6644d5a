import {
  loadNewestCheckpoint,
  pruneCheckpoints,
  pruneFailedSteps,
  putFailedStep,
  putLoadReport,
  type RunClaim,
  writeCheckpoint,
} from '@medformer/checkpoint';
import { findLeakage, judgeLeakage } from '@medformer/dataset';
import { headOf, INPUT_STATISTICS } from '@medformer/medformer';
import type { ObjectStore } from '@medformer/object-store';
import { isDone, KeepSpec, labelledTasks, type RunSpec } from '@medformer/schema';
import { batchTensors, type StepReport, trainRun } from '@medformer/ssl';
import { dataReportVersion } from '@medformer/telemetry';
import { ALONE, type Replicas, useBackend } from '@medformer/tensorflow';
import { fusionGenerator } from './fusion-generator.js';
import { initialWeights } from './initial-weights.js';
import { labelSpacesOf } from './label-space.js';
import { runtimeDifference, runtimeOf } from './runtime.js';
import type { TrainingCalls, TrainingEvent } from './training-calls.js';
import {
  codeKeysOf,
  imagesFor,
  loadSplit,
  manifestsOf,
  monitoredImages,
  trainedShapes,
} from './training-data.js';

export interface Training {
  store: ObjectStore;
  run: string;
  /** Under which everything is written; of rank 0 alone. */
  claim?: RunClaim;
  spec: RunSpec;
  threads?: number;
  /** The processes that share the run, each with the same arguments but for the claim; this one alone when absent. */
  replicas?: Replicas;
}

/**
 * One training run from store to store: resumes from the newest checkpoint, and finds a finished run finished.
 * @returns the address of the final checkpoint and its step, which is not the last where the run ended early
 */
export async function train(
  { store, run, claim, spec, threads, replicas = ALONE }: Training,
  { signal, progress }: { signal: AbortSignal; progress(event: TrainingEvent): void },
): Promise<TrainingCalls['train']['output']> {
  const newest = await loadNewestCheckpoint(store, run);
  if (newest && isDone(spec, newest.record))
    return { checkpoint: newest.checkpoint, step: newest.record.step };

  const isFirst = replicas.rank === 0;
  if (isFirst) {
    const datasets = [spec.dataset, ...(spec.datasets ?? [])];
    const leakage = await findLeakage(store, datasets, { codeVersion: dataReportVersion(), signal });
    const allowed = judgeLeakage(leakage, spec.leakage);
    if (allowed) progress({ type: 'warning', message: `${allowed}; allowed by the run's spec` });
  }
  const manifests = await manifestsOf(store, spec);
  const spaces = labelSpacesOf(spec, manifests);
  const images = await loadSplit(store, manifests, 'train', spec, signal);
  const groups = imagesFor(spec, images, spaces);
  const tasks = labelledTasks(spec.method);
  const own = {
    ...codeKeysOf(spec, manifests),
    heads: spaces.map((space, at) => headOf(space, tasks[at]!.ordinal)),
  };
  const { codes, heads, ...initial } = await initialWeights(store, spec, own);
  const start = newest
    ? {
        ...initial,
        resume: {
          step: newest.record.step,
          history: newest.record.history,
          weights: newest.weights,
          optimiser: newest.optimiser,
          ...(newest.record.untrained ? { untrained: newest.record.untrained } : {}),
        },
        input: newest.record.input,
      }
    : initial;

  const backend = await useBackend({ ...(threads ? { threads } : {}), share: 'graph' });
  const runtime = runtimeOf(backend, replicas.size);
  const otherRuntime = newest?.record.runtime && runtimeDifference(newest.record.runtime, runtime);
  if (otherRuntime) progress({ type: 'warning', message: otherRuntime });
  const keep = spec.keep ?? KeepSpec.parse({});
  let checkpoint = newest?.checkpoint ?? '';
  const rate = new StepRate(spec.steps);
  const { shapes: before = [], ...statistics } = start.input ?? INPUT_STATISTICS;
  const input = { ...statistics, shapes: trainedShapes(groups, before) };
  const generator = await fusionGenerator(store, spec);
  let reporting = Promise.resolve();
  const training = trainRun({
    spec,
    groups,
    codes,
    heads,
    ...(isFirst ? await monitoredImages(store, manifests, spec, images, signal) : {}),
    ...start,
    input: statistics,
    ...(generator ? { repair: generator.repair } : {}),
    parts: backend.gpu ? 1 : backend.threads,
    replicas,
    signal,
    onStep: (report) => progress({ type: 'step', report, ...rate.after(report) }),
    onLoaded(report) {
      progress({ type: 'loaded', report });
      if (!isFirst) return;
      reporting = putLoadReport(store, run, report);
      // Awaited when the training ends; until then a failure is nobody's.
      reporting.catch(() => undefined);
    },
    onWarning: (message) => progress({ type: 'warning', message }),
    async onCheckpoint(state) {
      checkpoint = await writeCheckpoint(store, spec, codes, input, { ...state, heads, runtime }, claim);
      await pruneCheckpoints(store, run, keep, state.history);
      progress({ type: 'checkpoint', step: state.step, checkpoint });
    },
    async onFailedStep({ step, loss, gradientNorm, policies, parts, shapes, state }) {
      await claim?.check();
      const failedStep = await putFailedStep(store, spec, {
        step,
        loss: String(loss),
        gradientNorm: String(gradientNorm),
        parts: parts.map(({ images, group, task }) => ({ images, group, ...(task ? { task } : {}) })),
        policies: [...policies],
        codes,
        heads,
        shapes: [...shapes],
        inputs: batchTensors(parts),
        ...state,
      });
      await pruneFailedSteps(store, run, keep.failedSteps);
      progress({ type: 'failed-step', failedStep });
      return failedStep;
    },
  });
  try {
    const { step } = await training;
    return { checkpoint, step };
  } finally {
    generator?.dispose();
    await reporting;
  }
}

/** Images per second and the time left, over the last steps: a paused or resumed run is not averaged in. */
class StepRate {
  private readonly recent: StepReport[] = [];

  constructor(private readonly steps: number) {}

  after(report: StepReport): { imagesPerSecond: number; etaSeconds: number } {
    this.recent.push(report);
    if (this.recent.length > 20) this.recent.shift();
    const seconds = this.recent.reduce((sum, { stepMs }) => sum + stepMs, 0) / 1000;
    const images = this.recent.reduce((sum, step) => sum + step.images, 0);
    return {
      imagesPerSecond: images / seconds,
      etaSeconds: ((this.steps - report.step) * seconds) / this.recent.length,
    };
  }
}
