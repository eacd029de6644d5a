import type { DatasetDescription, DatasetImage } from '@medformer/dataset';
import { Rng, type Split, sha256 } from '@medformer/schema';

export const GROUPS = [{ task: 'group', kind: 'multi-class' as const, classes: ['a', 'b', 'c'] }];

export function description(): DatasetDescription {
  return {
    name: 'brains',
    description: 'Noise of one shape.',
    source: { format: 'generated', synthetic: true, digest: sha256('brains'), files: 1, bytes: 1 },
    deidentification: { profile: 'none', notes: [] },
    normalisation: {},
    splits: { policy: 'by-subject', seed: 0 },
    labelSpaces: GROUPS,
    codeVersion: 'test',
  };
}

/** As it is read back, but for its place in a shard. */
export function stored(image: DatasetImage) {
  const { pixels, ...record } = image;
  return { record: { ...record, tensor: 'any', row: 0 }, pixels };
}

/** Nine patients to train on, one to test. */
export function cohort(): DatasetImage[] {
  return Array.from({ length: 10 }, (_, patient) => {
    const rng = Rng.of('brains', patient);
    const split: Split = patient < 9 ? 'train' : 'test';
    return {
      id: sha256(`brain ${patient}`).slice(0, 16),
      subject: `pseudonym-${patient}`,
      split,
      modality: 'mri',
      bodyPart: 'head',
      shape: [10, 12, 1],
      pixelType: 'uint8' as const,
      labels: { group: patient % 3 },
      source: sha256(`source ${patient}`),
      pixels: Uint8Array.from({ length: 120 }, () => 60 + rng.integer(160)),
    };
  });
}
