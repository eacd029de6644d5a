import { Rng, sha256 } from '@medformer/schema';
import type { DatasetDescription, DatasetImage } from '../dataset-image.js';

export function description(): DatasetDescription {
  return {
    name: 'cohort',
    description: 'numbers for a spec',
    source: { format: 'image-folder', synthetic: true, digest: sha256('source'), files: 1, bytes: 1 },
    deidentification: { profile: 'none', notes: [] },
    normalisation: { ct: { rule: 'hu-window', low: -1000, high: 1000 } },
    splits: { policy: 'by-subject', seed: 1 },
    labelSpaces: [
      { task: 'region', kind: 'multi-class', classes: ['abdomen', 'chest', 'head'] },
      { task: 'findings', kind: 'multi-label', classes: ['nodule', 'effusion'] },
    ],
    codeVersion: '0.1.0',
  };
}

/** Every third image is a uint16 volume, two images a subject. */
export function cohort(count: number): DatasetImage[] {
  return Array.from({ length: count }, (_, index) => {
    const rng = Rng.of('cohort', index);
    const volume = index % 3 === 1;
    const subject = Math.floor(index / 2);
    return {
      id: sha256(`image ${index}`).slice(0, 16),
      subject: `subject-${subject}`,
      split: (['train', 'train', 'val', 'test'] as const)[subject % 4]!,
      modality: 'ct',
      bodyPart: 'chest',
      shape: volume ? [3, 6, 5, 1] : [6, 5, 1],
      pixelType: volume ? 'uint16' : 'uint8',
      labels: { region: rng.integer(3), ...(index % 2 ? { findings: [rng.integer(2), 1] } : {}) },
      source: sha256('source'),
      pixels: volume
        ? Uint16Array.from({ length: 90 }, () => rng.integer(65_536))
        : Uint8Array.from({ length: 30 }, () => rng.integer(256)),
    };
  });
}
