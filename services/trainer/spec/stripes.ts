import type { DatasetImage } from '@medformer/dataset';
import { type ModelConfig, Rng, type Split, sha256 } from '@medformer/schema';

export const MODEL: ModelConfig = {
  width: 24,
  depth: 1,
  heads: 3,
  latents: 4,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 2,
};

/** Of a run on `stripes` that takes a moment. */
export function specOf(change: object) {
  return {
    dataset: 'stripes',
    method: { name: 'simclr', projection: [16, 8], batching: 'mixed' },
    model: MODEL,
    batchSize: 8,
    ...change,
  };
}

/** Of a data set of stripes. */
export function description() {
  return {
    name: 'stripes',
    description: 'Stripes of three brightnesses.',
    source: { format: 'generated', synthetic: true, digest: sha256('stripes'), files: 1, bytes: 1 },
    deidentification: { profile: 'none', notes: [] },
    normalisation: {},
    splits: { policy: 'by-subject' as const, seed: 0 },
    labelSpaces: [
      { task: 'region', kind: 'multi-class' as const, classes: ['head', 'chest', 'knee'] },
      { task: 'finding', kind: 'binary' as const, classes: ['absent', 'present'] },
      { task: 'signs', kind: 'multi-label' as const, classes: ['nodule', 'effusion'] },
    ],
    codeVersion: 'test',
  };
}

/** 30 training images of 8 x 8, of which half have a finding label, and 6 for each of the other splits. */
export function cohort(): DatasetImage[] {
  return Array.from({ length: 42 }, (_, index) => {
    const rng = Rng.of('stripes', index);
    const split: Split = index < 30 ? 'train' : index < 36 ? 'test' : 'val';
    return {
      id: sha256(String(index)).slice(0, 16),
      subject: `s${index}`,
      split,
      modality: index % 2 === 0 ? 'ct' : 'mri',
      bodyPart: 'whole-body',
      shape: [8, 8, 1],
      pixelType: 'uint8' as const,
      labels: { region: index % 3, ...(index % 2 === 0 ? { finding: index % 4 === 0 ? 1 : 0 } : {}) },
      source: sha256(`source ${index}`),
      pixels: Uint8Array.from({ length: 64 }, () => 60 + 60 * (index % 3) + rng.integer(20)),
    };
  });
}
