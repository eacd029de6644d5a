import {
  accuracy,
  auc,
  codeNames,
  type KnownCodes,
  knnScores,
  knownCodes,
  type Matrix,
  probeScores,
  type TaskLabels,
  taskLabelsOf,
} from '@medformer/evaluators';
import { type Forward, runModel } from '@medformer/medformer';
import {
  type ImageRecord,
  type LabelSpace,
  MedformerError,
  type MonitorSpec,
  type OnlineProtocol,
  type OnlineScores,
  Rng,
  type RunSpec,
} from '@medformer/schema';
import { takeImages } from './modality-groups.js';
import type { TrainingGroup } from './training-group.js';

/** The images that a run's monitor scores features by; each carries a label for its task. */
export interface MonitoredImages {
  space: LabelSpace;
  train: TrainingGroup[];
  validation: TrainingGroup[];
}

/** Whether a run has an evaluation after this step. */
export function isMonitored({ monitor, steps }: RunSpec, step: number): boolean {
  return monitor !== undefined && (step % monitor.every === 0 || step === steps);
}

const never = new AbortController().signal;

/**
 * How well features tell a task's classes apart while training goes on: the protocols of an evaluation, on validation
 * images. It draws nothing from the run's generators and changes none of its tensors, so that a run is the same with it
 * and without.
 */
export class OnlineEvaluation {
  private readonly validation: TrainingGroup[];
  private readonly codes: KnownCodes;
  private readonly labels: { train: TaskLabels; validation: TaskLabels };

  /** @throws MedformerError FAILED_PRECONDITION where there is nothing to learn from or to score */
  constructor(
    spec: RunSpec,
    private readonly monitor: MonitorSpec,
    private readonly images: MonitoredImages,
  ) {
    this.validation = drawImages(images.validation, monitor);
    this.labels = {
      train: taskLabelsOf(recordsOf(images.train), images.space),
      validation: taskLabelsOf(recordsOf(this.validation), images.space),
    };
    requireClasses(this.labels.train, 'train', monitor);
    requireClasses(this.labels.validation, 'val', monitor);
    this.codes = knownCodes(spec, recordsOf(images.train), this.labels.train);
  }

  /** @param embed features of pixels in [0, 1], by the present weights */
  async score(embed: Forward): Promise<OnlineScores> {
    const namesOf = (records: ImageRecord[]) => codeNames(this.codes, records);
    // Not cut short by a cancellation: the step it belongs to is done, and has to be recorded with its scores.
    const options = { namesOf, signal: never };
    const train = await runModel(this.images.train, embed, options);
    const validation = await runModel(this.validation, embed, options);
    const truth = this.labels.validation;
    return Object.fromEntries(
      this.monitor.protocols.map((protocol) => {
        const scores = this.scoresBy(protocol, train, validation);
        return [protocol, { accuracy: accuracy(scores, truth), auc: auc(scores, truth) }];
      }),
    );
  }

  private scoresBy(protocol: OnlineProtocol, train: Matrix, validation: Matrix): Matrix {
    const classes = this.images.space.classes.length;
    const input = { train, labels: this.labels.train, test: validation, classes };
    return protocol === 'knn' ? knnScores(input) : probeScores(input);
  }
}

/** At most `images` of them, the same ones in every run that monitors this task. */
function drawImages(groups: readonly TrainingGroup[], { task, images }: MonitorSpec): TrainingGroup[] {
  const places = groups.flatMap(({ records }, group) => records.map((_, position) => ({ group, position })));
  if (places.length <= images) return [...groups];
  const order = Rng.of('monitor', task).permutation(places.length);
  const drawn = Array.from({ length: images }, (_, at) => order[at]!).sort((x, y) => x - y);
  return groups.flatMap((group, at) => {
    const positions = drawn.flatMap((place) =>
      places[place]!.group === at ? [places[place]!.position] : [],
    );
    return positions.length > 0 ? [takeImages(group, positions)] : [];
  });
}

const recordsOf = (groups: readonly TrainingGroup[]) => groups.flatMap(({ records }) => records);

function requireClasses(labels: TaskLabels, split: 'train' | 'val', { task }: MonitorSpec): void {
  const found =
    labels.kind === 'multi-label' ? mostValues(labels.flags) : new Set(Array.from(labels.classes)).size;
  if (found > 1) return;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `monitor.task: ${task}: expected labelled images of at least two classes in the ${split} split, found ${found}`,
  );
}

/** 2 when some label is both there and not there, else 1. */
function mostValues({ columns, data }: Matrix): number {
  return data.some((flag, at) => flag !== data[at % columns]) ? 2 : 1;
}
