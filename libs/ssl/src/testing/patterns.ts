import type { CodeKeys, TaskHead } from '@medformer/medformer';
import { type ImageRecord, labelledTasks, Rng, RunSpec, sha256 } from '@medformer/schema';
import { type RunState, type StepReport, type TrainRun, trainRun } from '../train-run.js';
import type { TrainingGroup } from '../training-group.js';

/** A small run over `patterns`. */
export function patternSpec(change: object): RunSpec {
  return RunSpec.parse({
    dataset: sha256('patterns'),
    model: { width: 24, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 4, frequencies: 3 },
    batchSize: 12,
    steps: 8,
    optimiser: { learningRate: 2e-3, warmupSteps: 3 },
    codeVersion: 'test',
    ...change,
  });
}

/**
 * Waves of three brightnesses, each of its own direction and phase. Task `pattern` tells the three, `levels` takes them as
 * ordered, `bright` tells the brightest from the others, and `above` says of each of two brightnesses whether an image is
 * above it.
 */
export function patterns(shape: number[], images: number): TrainingGroup {
  const size = shape.reduce((product, edge) => product * edge, 1);
  const [width, height] = [shape.at(-2)!, shape.at(-3)!];
  const pixels = new Uint8Array(images * size);
  const records = Array.from({ length: images }, (_, index): ImageRecord => {
    const rng = Rng.of('patterns', ...shape, index);
    const [rows, columns, phase] = [rng.uniform(0, 2), rng.uniform(0, 2), rng.uniform(0, 2 * Math.PI)];
    for (let at = 0; at < size; at += 1) {
      const angle = rows * (Math.floor(at / width) % height) + columns * (at % width) + phase;
      pixels[index * size + at] = [60, 128, 190][index % 3]! + 50 * Math.sin(angle);
    }
    return {
      id: sha256(String(index)).slice(0, 16),
      subject: `s${index}`,
      split: 'train',
      modality: 'ct',
      bodyPart: 'whole-body',
      shape,
      pixelType: 'uint8',
      labels: {
        pattern: index % 3,
        levels: index % 3,
        bright: Number(index % 3 > 1),
        above: [Number(index % 3 > 0), Number(index % 3 > 1)],
      },
      source: sha256(`source ${index}`),
      tensor: 't',
      row: index,
    };
  });
  return { shape, pixels, records };
}

const HEADS: Record<string, TaskHead> = {
  pattern: { task: 'pattern', classes: 3 },
  levels: { task: 'levels', classes: 3, kind: 'ordinal', ordinal: 'cumulative' },
  bright: { task: 'bright', classes: 2 },
  above: { task: 'above', classes: 2, kind: 'multi-label' },
};

/** Codes, heads and images of a run over groups of patterns. */
export function patternData(
  { method }: Pick<RunSpec, 'method'>,
  groups: TrainingGroup[],
): { groups: TrainingGroup[]; codes: CodeKeys; heads: TaskHead[] } {
  const tasks = labelledTasks(method).map(({ task }) => task);
  return {
    groups:
      method.name === 'multi-task' && groups.every(({ task }) => task === undefined)
        ? tasks.flatMap((task) => groups.map((group) => ({ ...group, task })))
        : groups,
    codes: { modalities: ['ct'], bodyParts: [], tasks },
    heads: tasks.map((task) => HEADS[task]!),
  };
}

/** Everything a run of patterns tells, up to its end or its error. */
export async function runPatterns(spec: RunSpec, { groups, ...given }: Partial<TrainRun> = {}) {
  const states: RunState[] = [];
  const reports: StepReport[] = [];
  const warnings: string[] = [];
  const done = trainRun({
    spec,
    ...patternData(spec, groups ?? [patterns([8, 8, 1], 36)]),
    signal: new AbortController().signal,
    onStep: (report) => reports.push(report),
    onCheckpoint: async (state) => void states.push(state),
    onWarning: (message) => warnings.push(message),
    ...given,
  });
  const error = await done.then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  return { states, reports, warnings, error };
}
