import { type ImageRecord, Rng } from '@medformer/schema';
import type { FusionSource } from '../fusion-source.js';
import { whiteOf } from '../grey-values.js';
import { grouped } from '../grouped.js';
import { ComparisonGrid } from './comparison-grid.js';
import { diversity } from './diversity.js';
import { histogramDistance } from './histogram-distance.js';
import type { RealScan } from './memorisation.js';

type Described = Pick<ImageRecord, 'modality' | 'bodyPart' | 'shape'>;

/** What images have in common that may be compared: modality, body part, axes and channels. */
export function kindOf({ modality, bodyPart, shape }: Described): string {
  return JSON.stringify([modality, bodyPart, shape.length, shape.at(-1)]);
}

/** How many values there are of each grey level, 65,536 from 0 to 1. */
export function levelCounts(images: readonly FusionSource[]): Float64Array {
  const counts = new Float64Array(65_536);
  for (const { pixels } of images) {
    const step = 65_535 / whiteOf(pixels);
    for (let at = 0; at < pixels.length; at += 1) counts[pixels[at]! * step]! += 1;
  }
  return counts;
}

/** The real images of one kind, and what fusions of that kind are compared with. */
export class RealImages {
  readonly grid: ComparisonGrid;
  readonly patients: number;
  /** Drawn by patient: what two samples of real images differ by is what fusions can be held to. Empty of one patient. */
  readonly halves: readonly [FusionSource[], FusionSource[]] | undefined;
  readonly levels: Float64Array;

  /** Their order does not depend on how they came. */
  readonly images: readonly FusionSource[];

  /** @param images of one kind, at least one */
  constructor(images: readonly FusionSource[]) {
    this.images = [...images].sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
    this.grid = ComparisonGrid.of(this.images);
    const byPatient = grouped(this.images, ({ record }) => record.subject);
    this.patients = byPatient.size;
    this.halves = this.patients > 1 ? halvesOf([...byPatient.values()]) : undefined;
    this.levels = levelCounts(this.images);
  }

  scans(): RealScan[] {
    return this.images.map((image) => ({
      subject: image.record.subject,
      values: this.grid.valuesOf(image),
    }));
  }

  /** How far the halves' grey values are apart. */
  histogram(): number | undefined {
    return this.halves && histogramDistance(levelCounts(this.halves[0]), levelCounts(this.halves[1]));
  }

  diversity(): number | undefined {
    if (this.images.length < 2) return undefined;
    return diversity(this.images.map((image) => this.grid.valuesOf(image)));
  }
}

/** The images of each half in an order of their own, so that the first few are of many patients. */
function halvesOf(patients: readonly FusionSource[][]): [FusionSource[], FusionSource[]] {
  const order = Rng.of('fusion quality', 'halves').permutation(patients.length);
  const halves: [FusionSource[], FusionSource[]] = [[], []];
  order.forEach((patient, at) => {
    halves[at % 2]!.push(...patients[patient]!);
  });
  const shuffled = (images: FusionSource[], half: number) =>
    Array.from(Rng.of('fusion quality', 'half', half).permutation(images.length), (at) => images[at]!);
  return [shuffled(halves[0], 0), shuffled(halves[1], 1)];
}
