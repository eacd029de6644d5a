import {
  loadCheckpoint,
  loadNewestCheckpoint,
  pruneCheckpoints,
  writeCheckpoint,
} from '@medformer/checkpoint';
import { loadImages, resolveDataset } from '@medformer/dataset';
import { headOf, INPUT_STATISTICS } from '@medformer/medformer';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import {
  type DatasetManifest,
  type LabelSpace,
  MedformerError,
  type RunSpec,
  runId,
} from '@medformer/schema';
import { type StepReport, trainRun } from '@medformer/ssl';
import { useBackend } from '@medformer/tensorflow';
import { labelledSubset } from './labelled-subset.js';
import type { TrainingCalls, TrainingEvent } from './training-calls.js';

/** Checkpoints of a run that are kept; one more than needed, so that a reader of the last but one is not cut off. */
const KEPT_CHECKPOINTS = 2;

/**
 * One training run from store to store: resumes from the newest checkpoint, and finds a finished run finished.
 * @returns the address of the final checkpoint
 */
export async function train(
  { store: storeConfig, spec, threads }: TrainingCalls['train']['input'],
  { signal, progress }: { signal: AbortSignal; progress(event: TrainingEvent): void },
): Promise<{ checkpoint: string }> {
  const store = await openObjectStore(storeConfig);
  const run = runId(spec);
  const newest = await loadNewestCheckpoint(store, run);
  if (newest && newest.record.step >= spec.steps) return { checkpoint: newest.checkpoint };

  await useBackend(threads ? { threads } : {});
  const { manifest } = await resolveDataset(store, spec.dataset);
  const space = labelSpaceOf(spec, manifest);
  const images = await loadImages(store, manifest, { split: 'train', dimensions: spec.dimensions, signal });
  const groups =
    spec.method.name === 'supervised' && space ? labelledSubset(images, spec.method, space) : images;
  const { modality, bodyPart } = spec.codeDropout;
  // A code that is always withheld is never trained: it does not exist.
  const codes = {
    modalities: modality < 1 ? Object.keys(manifest.census.modalities).sort() : [],
    bodyParts: bodyPart < 1 ? Object.keys(manifest.census.bodyParts).sort() : [],
    tasks: space ? [space.task] : [],
  };

  let checkpoint = newest?.checkpoint ?? '';
  const rate = new StepRate(spec.steps);
  await trainRun({
    spec,
    groups,
    codes,
    heads: space ? [headOf(space)] : [],
    ...(newest
      ? {
          resume: {
            step: newest.record.step,
            history: newest.record.history,
            weights: newest.weights,
            optimiser: newest.optimiser,
          },
        }
      : {}),
    ...(newest ? {} : await initialWeights(store, spec)),
    signal,
    onStep: (report) => progress({ type: 'step', report, ...rate.after(report) }),
    onWarning: (message) => progress({ type: 'warning', message }),
    async onCheckpoint(state) {
      checkpoint = await writeCheckpoint(store, spec, codes, INPUT_STATISTICS, state);
      await pruneCheckpoints(store, run, KEPT_CHECKPOINTS);
      progress({ type: 'checkpoint', step: state.step, checkpoint });
    },
  });
  return { checkpoint };
}

function labelSpaceOf({ method }: RunSpec, manifest: DatasetManifest): LabelSpace | undefined {
  if (method.name !== 'supervised') return undefined;
  const space = manifest.labelSpaces.find(({ task }) => task === method.task);
  const known = manifest.labelSpaces.map(({ task }) => task).join(', ') || 'none';
  if (!space) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `method.task: dataset ${manifest.name} has no task ${method.task}; it has: ${known}`,
    );
  }
  if (space.kind === 'multi-label') {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `method.task: ${space.task} is multi-label; supervised training takes one class per image`,
    );
  }
  return space;
}

/** The parts of another run's checkpoint that this run's model can take over; projection heads stay behind. */
async function initialWeights(store: ObjectStore, { initialCheckpoint }: RunSpec) {
  if (!initialCheckpoint) return {};
  const { weights } = await loadCheckpoint(store, initialCheckpoint);
  return { initialWeights: new Map([...weights].filter(([name]) => !name.startsWith('method/'))) };
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
