// A data set small enough for every spec, and checkpoints of it that nobody trained.
import { writeCheckpoint } from '@medformer/checkpoint';
import type { DatasetImage } from '@medformer/dataset';
import { headOf, INPUT_STATISTICS, type InputStatistics, Medformer } from '@medformer/medformer';
import type { ObjectStore } from '@medformer/object-store';
import { labelledTasks, Rng, RunSpec, type Split, sha256 } from '@medformer/schema';

export const REGION = { task: 'region', kind: 'multi-class' as const, classes: ['head', 'chest', 'knee'] };
export const FINDING = { task: 'finding', kind: 'binary' as const, classes: ['absent', 'present'] };
export const SIGNS = { task: 'signs', kind: 'multi-label' as const, classes: ['bright', 'dark', 'rare'] };

export function description() {
  return {
    name: 'tiny',
    description: 'Squares of three brightnesses.',
    source: { format: 'generated', synthetic: true, digest: sha256('tiny'), files: 1, bytes: 1 },
    deidentification: { profile: 'none', notes: [] },
    normalisation: {},
    splits: { policy: 'by-subject' as const, seed: 0 },
    labelSpaces: [REGION, FINDING, SIGNS],
    codeVersion: 'test',
  };
}

/** 60 training and 30 test images of 8 x 8: the region sets the brightness, the finding is a coin toss. */
export function cohort(): DatasetImage[] {
  return Array.from({ length: 90 }, (_, index) => {
    const rng = Rng.of('tiny', index);
    const region = index % 3;
    const split: Split = index < 60 ? 'train' : 'test';
    return {
      id: sha256(String(index)).slice(0, 16),
      subject: `s${Math.floor(index / 3)}`,
      split,
      modality: index % 2 === 0 ? 'ct' : 'mr',
      bodyPart: 'whole-body',
      shape: [8, 8, 1],
      pixelType: 'uint8' as const,
      labels: {
        region,
        finding: rng.integer(2),
        signs: [Number(region === 2), Number(region === 0), Number(index % 7 === 0)],
      },
      source: sha256(`source ${index}`),
      pixels: Uint8Array.from({ length: 64 }, () => 60 + 60 * region + rng.integer(20)),
    };
  });
}

/** A checkpoint as training writes one, of a network with random weights. */
export async function untrained(
  store: ObjectStore,
  dataset: string,
  method: object,
  seed: number,
  modalities = ['ct', 'mr'],
  input: InputStatistics = INPUT_STATISTICS,
): Promise<string> {
  const spec = RunSpec.parse({ dataset, method, steps: 1, batchSize: 8, seed, codeVersion: 'test' });
  const heads = labelledTasks(spec.method).map(({ task }) =>
    headOf([REGION, FINDING, SIGNS].find((space) => space.task === task)!),
  );
  const codes = {
    modalities,
    bodyParts: ['whole-body'],
    tasks: heads.map(({ task }) => task),
  };
  const model = new Medformer(spec.model, codes, heads, { seed });
  const weights = model.parameters.toStored();
  model.dispose();
  return writeCheckpoint(store, spec, codes, input, {
    step: 1,
    weights,
    heads,
    optimiser: new Map(),
    history: [{ step: 1, loss: 1, learningRate: 0, gradientNorm: 0 }],
  });
}
