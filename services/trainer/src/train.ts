import {
  loadNewestCheckpoint,
  pruneCheckpoints,
  putFailedStep,
  putLoadReport,
  writeCheckpoint,
} from '@medformer/checkpoint';
import { loadImages, resolveDataset } from '@medformer/dataset';
import { headOf, INPUT_STATISTICS } from '@medformer/medformer';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import {
  type DatasetManifest,
  isDone,
  KeepSpec,
  type LabelSpace,
  type MethodSpec,
  type RunSpec,
  runId,
} from '@medformer/schema';
import {
  batchTensors,
  type MonitoredImages,
  type StepReport,
  type TrainingGroup,
  trainRun,
} from '@medformer/ssl';
import { useBackend } from '@medformer/tensorflow';
import { initialWeights } from './initial-weights.js';
import { labelSpaceOf, monitoredSpaceOf } from './label-space.js';
import { labelledSubset, withOtherLabelsHidden } from './labelled-subset.js';
import { runtimeDifference, runtimeOf } from './runtime.js';
import type { TrainingCalls, TrainingEvent } from './training-calls.js';

/**
 * One training run from store to store: resumes from the newest checkpoint, and finds a finished run finished.
 * @returns the address of the final checkpoint and its step, which is not the last where the run ended early
 */
export async function train(
  { store: storeConfig, spec, threads }: TrainingCalls['train']['input'],
  { signal, progress }: { signal: AbortSignal; progress(event: TrainingEvent): void },
): Promise<TrainingCalls['train']['output']> {
  const store = await openObjectStore(storeConfig);
  const run = runId(spec);
  const newest = await loadNewestCheckpoint(store, run);
  if (newest && isDone(spec, newest.record))
    return { checkpoint: newest.checkpoint, step: newest.record.step };

  const { manifest } = await resolveDataset(store, spec.dataset);
  const space = labelSpaceOf(spec, manifest);
  const images = await loadImages(store, manifest, { split: 'train', dimensions: spec.dimensions, signal });
  const groups = imagesFor(spec.method, images, space);
  const { modality, bodyPart } = spec.codeDropout;
  // A code that is always withheld is never trained: it does not exist.
  const codes = {
    modalities: modality < 1 ? Object.keys(manifest.census.modalities).sort() : [],
    bodyParts: bodyPart < 1 ? Object.keys(manifest.census.bodyParts).sort() : [],
    tasks: space ? [space.task] : [],
  };
  const start = newest
    ? {
        resume: {
          step: newest.record.step,
          history: newest.record.history,
          weights: newest.weights,
          optimiser: newest.optimiser,
        },
        input: newest.record.input,
      }
    : await initialWeights(store, spec, codes);

  const backend = await useBackend({ ...(threads ? { threads } : {}), share: 'graph' });
  const runtime = runtimeOf(backend);
  const otherRuntime = newest?.record.runtime && runtimeDifference(newest.record.runtime, runtime);
  if (otherRuntime) progress({ type: 'warning', message: otherRuntime });
  const keep = spec.keep ?? KeepSpec.parse({});
  const heads = space ? [headOf(space)] : [];
  let checkpoint = newest?.checkpoint ?? '';
  const rate = new StepRate(spec.steps);
  const { input = INPUT_STATISTICS } = start;
  let reporting = Promise.resolve();
  const training = trainRun({
    spec,
    groups,
    codes,
    heads,
    ...(await monitored(store, manifest, spec, images, signal)),
    ...start,
    parts: backend.gpu ? 1 : backend.threads,
    signal,
    onStep: (report) => progress({ type: 'step', report, ...rate.after(report) }),
    onLoaded(report) {
      progress({ type: 'loaded', report });
      reporting = putLoadReport(store, run, report);
      // Awaited when the training ends; until then a failure is nobody's.
      reporting.catch(() => undefined);
    },
    onWarning: (message) => progress({ type: 'warning', message }),
    async onCheckpoint(state) {
      checkpoint = await writeCheckpoint(store, spec, codes, input, { ...state, runtime });
      await pruneCheckpoints(store, run, keep, state.history);
      progress({ type: 'checkpoint', step: state.step, checkpoint });
    },
    async onFailedStep({ step, loss, gradientNorm, policies, parts, shapes, state }) {
      const failedStep = await putFailedStep(store, spec, {
        step,
        loss: String(loss),
        gradientNorm: String(gradientNorm),
        parts: parts.map(({ images, group }) => ({ images, group })),
        policies: [...policies],
        codes,
        heads,
        shapes: [...shapes],
        inputs: batchTensors(parts),
        ...state,
      });
      progress({ type: 'failed-step', failedStep });
      return failedStep;
    },
  });
  try {
    const { step } = await training;
    return { checkpoint, step };
  } finally {
    await reporting;
  }
}

/** The images that the run's monitor scores features by. */
async function monitored(
  store: ObjectStore,
  manifest: DatasetManifest,
  spec: RunSpec,
  images: TrainingGroup[],
  signal: AbortSignal,
): Promise<{ monitored?: MonitoredImages }> {
  const space = monitoredSpaceOf(spec, manifest);
  if (!spec.monitor || !space) return {};
  const { dimensions } = spec;
  const validation = await loadImages(store, manifest, { split: 'val', dimensions, signal });
  const all = { task: spec.monitor.task, labelSeed: 0 };
  return {
    monitored: {
      space,
      train: labelledSubset(images, spec.monitor, space),
      validation: labelledSubset(validation, all, space),
    },
  };
}

/** What a method may see: labelled images only, all images with few labels shown, or all. */
function imagesFor(
  method: MethodSpec,
  images: TrainingGroup[],
  space: LabelSpace | undefined,
): TrainingGroup[] {
  if (!space || !('task' in method)) return images;
  return method.name === 'supervised'
    ? labelledSubset(images, method, space)
    : withOtherLabelsHidden(images, method, space);
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
