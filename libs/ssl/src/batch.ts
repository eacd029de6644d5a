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
  /** Whose labels they are, in a run of several tasks. */
  task?: string;
  /** What the method made of the standardised views, [rows, ...shape]. */
  x: Float32Array;
  shape: number[];
  /** Code rows [rows]. */
  modality: Int32Array;
  bodyPart: Int32Array;
  /**
   * Class of each image [B]; of a multi-label task flags [B, labels] of 0 and 1. Zeros where the method needs none, -1
   * where nothing is known.
   */
  labels: Int32Array;
  drawn: Record<string, DrawnValues>;
}

/**
 * Draws and applies the views of a planned batch, in as many equal parts as the spec asks for; images that fill no
 * part are left out. Of several planned batches each is a part. Depends on seed and step only.
 */
export function makeBatches(
  spec: RunSpec,
  groups: readonly TrainingGroup[],
  codes: CodeKeys,
  policies: readonly ViewPolicy[],
  step: number,
  planned: PlannedBatch | readonly PlannedBatch[],
  input: InputStatistics = INPUT_STATISTICS,
): HostBatch[] {
  if (isSeveral(planned)) {
    const sizes = planned.map(({ positions }) => positions.length);
    const starts = sizes.map((_, part) => sizes.slice(0, part).reduce((sum, size) => sum + size, 0));
    return planned.map((each, part) =>
      makePart(spec, groups, codes, policies, step, each, input, { to: sizes[part]!, first: starts[part]! }),
    );
  }
  const parts = Math.min(spec.accumulate, planned.positions.length);
  const size = Math.floor(planned.positions.length / parts);
  return Array.from({ length: parts }, (_, part) =>
    makePart(spec, groups, codes, policies, step, planned, input, {
      from: part * size,
      to: (part + 1) * size,
      first: part * size,
    }),
  );
}

function isSeveral(planned: PlannedBatch | readonly PlannedBatch[]): planned is readonly PlannedBatch[] {
  return Array.isArray(planned);
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
  /** Which of the planned images, and which image of the step the first is: what is drawn for it depends on that. */
  { from = 0, to, first }: { from?: number; to: number; first: number },
): HostBatch {
  const { shape, pixels, records, task: own } = groups[group]!;
  const size = shape.reduce((product, edge) => product * edge, 1);
  const taken = positions.subarray(from, to);
  const images = taken.length;
  const x = new Float32Array(policies.length * images * size);
  policies.forEach((policy, view) => {
    taken.forEach((position, index) => {
      const out = x.subarray((view * images + index) * size, (view * images + index + 1) * size);
      const drawn = drawView(policy, shape.length - 1, Rng.of(spec.seed, 'view', step, view, first + index));
      applyView({ pixels: pixels.subarray(position * size, (position + 1) * size), shape }, drawn, out);
      for (let i = 0; i < size; i += 1) out[i] = (out[i]! - input.mean) / input.std;
    });
  });
  const arranged = arrange(spec, { x, shape, views: policies.length, images }, step, first);
  const codeRow = (keys: string[], of: (record: ImageRecord) => string, kind: string, dropout: number) => {
    const rows = new Int32Array(policies.length * images * arranged.copies);
    for (let viewRow = 0; viewRow < policies.length * images; viewRow += 1) {
      const [view, index] = [Math.floor(viewRow / images), viewRow % images];
      // A generator costs a hash: none where its answer is known.
      const withheld =
        dropout === 1 ||
        (dropout > 0 && Rng.of(spec.seed, 'codes', kind, step, view, first + index).chance(dropout));
      const row = codeOrShared(keys, of(records[taken[index]!]!), withheld);
      rows.fill(row, viewRow * arranged.copies, (viewRow + 1) * arranged.copies);
    }
    return rows;
  };
  const task = own ?? ('task' in spec.method ? spec.method.task : undefined);
  return {
    group,
    ...(own === undefined ? {} : { task: own }),
    images: Array.from(taken, (position) => records[position]!.id),
    x: arranged.x,
    shape: arranged.shape,
    modality: codeRow(codes.modalities, ({ modality }) => modality, 'modality', spec.codeDropout.modality),
    bodyPart: codeRow(codes.bodyParts, ({ bodyPart }) => bodyPart, 'body part', spec.codeDropout.bodyPart),
    labels: task === undefined ? new Int32Array(images) : labelsOf(task, records, taken),
    drawn: arranged.drawn,
  };
}

/** Classes, or flags where the labels are several per image. */
function labelsOf(task: string, records: readonly ImageRecord[], taken: Int32Array): Int32Array {
  const some = records.find(({ labels }) => labels[task] !== undefined)?.labels[task];
  const unknown = Array.isArray(some) ? some.map(() => -1) : [-1];
  return Int32Array.from([...taken].flatMap((position) => records[position]!.labels[task] ?? unknown));
}

function codeOrShared(keys: string[], name: string, withheld: boolean): number {
  return withheld ? SHARED_CODE : codeRows(keys, [name]).rows[0]!;
}
