import { applyView, drawView } from '@medformer/augment';
import {
  type CodeKeys,
  codeRows,
  INPUT_STATISTICS,
  type InputStatistics,
  SHARED_CODE,
} from '@medformer/medformer';
import { type ImageRecord, Rng, type RunSpec, type ViewPolicy } from '@medformer/schema';
import type { PlannedBatch } from './batch-plan.js';
import type { Arrangement, DrawnValues, HostViews } from './methods/method.js';
import { methodOf } from './methods/registry.js';
import type { TrainingGroup } from './training-group.js';

/** The data of a step, or of a part of it, on the host, ready to become tensors. */
export interface HostBatch {
  group: number;
  /** Ids of the images [B], in the order of the first view's rows. */
  images: string[];
  /** What the method made of the standardised views, [rows, ...shape]. */
  x: Float32Array;
  shape: number[];
  /** Code rows [rows]. */
  modality: Int32Array;
  bodyPart: Int32Array;
  /** Class of each image [B]; zeros where the method needs none, -1 for an unlabelled one. */
  labels: Int32Array;
  /** Of a multi-label task, in place of classes: [B, labels] of 0 and 1. */
  flags?: Float32Array;
  drawn: Record<string, DrawnValues>;
}

/**
 * Draws and applies the views of a planned batch, in as many equal parts as the spec asks for; images that fill no
 * part are left out. Depends on seed and step only.
 */
export function makeBatches(
  spec: RunSpec,
  groups: readonly TrainingGroup[],
  codes: CodeKeys,
  policies: readonly ViewPolicy[],
  step: number,
  planned: PlannedBatch,
  input: InputStatistics = INPUT_STATISTICS,
): HostBatch[] {
  const parts = Math.min(spec.accumulate, planned.positions.length);
  const size = Math.floor(planned.positions.length / parts);
  return Array.from({ length: parts }, (_, part) =>
    makePart(spec, groups, codes, policies, step, planned, input, part * size, (part + 1) * size),
  );
}

/** What the spec's method makes of views on the host; without a wish of its own, the views themselves. */
export function arrange(spec: RunSpec, views: HostViews, step: number, from = 0): Arrangement {
  const method = methodOf(spec.method);
  if (!method.arrange) return { x: views.x, shape: views.shape, copies: 1, drawn: {} };
  const rng = Rng.of(spec.seed, 'arrange', step, from);
  return method.arrange(spec.method, views, { config: spec.model, rng });
}

function makePart(
  spec: RunSpec,
  groups: readonly TrainingGroup[],
  codes: CodeKeys,
  policies: readonly ViewPolicy[],
  step: number,
  { group, positions }: PlannedBatch,
  input: InputStatistics,
  from: number,
  to: number,
): HostBatch {
  const { shape, pixels, records } = groups[group]!;
  const size = shape.reduce((product, edge) => product * edge, 1);
  const taken = positions.subarray(from, to);
  const images = taken.length;
  const x = new Float32Array(policies.length * images * size);
  policies.forEach((policy, view) => {
    taken.forEach((position, index) => {
      const out = x.subarray((view * images + index) * size, (view * images + index + 1) * size);
      const drawn = drawView(policy, shape.length - 1, Rng.of(spec.seed, 'view', step, view, from + index));
      applyView({ pixels: pixels.subarray(position * size, (position + 1) * size), shape }, drawn, out);
      for (let i = 0; i < size; i += 1) out[i] = (out[i]! - input.mean) / input.std;
    });
  });
  const arranged = arrange(spec, { x, shape, views: policies.length, images }, step, from);
  const codeRow = (keys: string[], of: (record: ImageRecord) => string, kind: string, dropout: number) =>
    Int32Array.from({ length: policies.length * images * arranged.copies }, (_, row) => {
      const viewRow = Math.floor(row / arranged.copies);
      const [view, index] = [Math.floor(viewRow / images), viewRow % images];
      const withheld = Rng.of(spec.seed, 'codes', kind, step, view, from + index).chance(dropout);
      return codeOrShared(keys, of(records[taken[index]!]!), withheld);
    });
  const task = 'task' in spec.method ? spec.method.task : undefined;
  return {
    group,
    images: Array.from(taken, (position) => records[position]!.id),
    x: arranged.x,
    shape: arranged.shape,
    modality: codeRow(codes.modalities, ({ modality }) => modality, 'modality', spec.codeDropout.modality),
    bodyPart: codeRow(codes.bodyParts, ({ bodyPart }) => bodyPart, 'body part', spec.codeDropout.bodyPart),
    ...labelsOf(Array.from(taken, (position) => (task === undefined ? 0 : records[position]!.labels[task]))),
    drawn: arranged.drawn,
  };
}

/** Classes, or flags where the labels are several per image. */
function labelsOf(given: (number | number[] | undefined)[]): Pick<HostBatch, 'labels' | 'flags'> {
  const labels = Int32Array.from(given, (label) => (typeof label === 'number' ? label : -1));
  return Array.isArray(given[0])
    ? { labels, flags: Float32Array.from(given.flat() as number[]) }
    : { labels };
}

function codeOrShared(keys: string[], name: string, withheld: boolean): number {
  return withheld ? SHARED_CODE : codeRows(keys, [name]).rows[0]!;
}
