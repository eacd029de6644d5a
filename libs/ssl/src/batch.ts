import { applyView, drawView } from '@medformer/augment';
import {
  type CodeKeys,
  codeRows,
  INPUT_STATISTICS,
  type InputStatistics,
  SHARED_CODE,
  type TaskHead,
} from '@medformer/medformer';
import { fusedWith, fusesWithinBatch, Rng, type RunSpec, type ViewPolicy } from '@medformer/schema';
import { ALONE, type Replicas } from '@medformer/tensorflow';
import type { PlannedBatch } from './batch-plan.js';
import { BatchShare } from './batch-share.js';
import type { BatchImage, FusedImages } from './fused-images.js';
import { labelRows } from './label-rows.js';
import { type Arrangement, type DrawnValues, type HostViews, MIXING } from './methods/method.js';
import { methodOf } from './methods/registry.js';
import type { TrainingGroup } from './training-group.js';

/** The data of a step, or of a part of it, on the host, ready to become tensors. */
export interface HostBatch {
  group: number;
  /** Ids of the images [B], in the order of the first view's rows; fused ones last. */
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
   * Probability of each class [B, C], all 0 where nothing is known; of a multi-label task of each label, -1 where nothing
   * is known. [B, 1] zeros where the method needs none.
   */
  labels: Float32Array;
  drawn: Record<string, DrawnValues>;
  /** Which of the part's images these are, where processes share it; all when absent. */
  share?: BatchShare;
}

/** What all batches of a run are made of. */
export interface BatchSource {
  spec: RunSpec;
  groups: readonly TrainingGroup[];
  codes: CodeKeys;
  heads: readonly TaskHead[];
  /** One per view. */
  policies: readonly ViewPolicy[];
  /** Default: as of a new model. */
  input?: InputStatistics;
  /** Where the run has a `fusion`. */
  fused?: FusedImages;
  /** The processes that share each part; this one alone when absent. */
  replicas?: Replicas;
}

/** Images of all processes' shares of a part. */
export const imagesOf = ({ images, share }: HostBatch): number =>
  share ? share.rows(images.length) : images.length;

/**
 * Draws and applies the views of a step's parts, of this process's share of them. What is drawn depends on seed, step and
 * an image's place in the step, so that shares make up the batch that one process would have.
 */
export function makeBatches(
  source: BatchSource,
  step: number,
  planned: readonly PlannedBatch[],
): HostBatch[] {
  let first = 0;
  return planned.map((part) => {
    const made = makePart(source, step, part, first);
    first += part.positions.length;
    return made;
  });
}

/**
 * What the spec's method makes of views on the host; without a wish of its own, the views themselves.
 * @param keyOf what an image's draws depend on, beside seed, step and view; default: its place
 */
export function arrange(
  spec: RunSpec,
  views: HostViews,
  step: number,
  keyOf: (image: number) => BatchImage['key'] = (image) => [image],
): Arrangement {
  const method = methodOf(spec.method);
  if (!method.arrange) return { x: views.x, shape: views.shape, copies: 1, drawn: {} };
  const rngOf = (row: number) => {
    const view = Math.floor(row / views.images);
    return Rng.of(spec.seed, 'arrange', step, view, ...keyOf(row % views.images));
  };
  return method.arrange(spec.method, views, { config: spec.model, rngOf });
}

function makePart(
  source: BatchSource,
  step: number,
  { group, positions }: PlannedBatch,
  /** Which image of the step its first one is. */
  first: number,
): HostBatch {
  const { spec, groups, codes, heads, policies, input = INPUT_STATISTICS, replicas = ALONE } = source;
  const { shape, pixels, records, task: own } = groups[group]!;
  const size = shape.reduce((product, edge) => product * edge, 1);
  const share = BatchShare.of(replicas, positions.length, fusionCount(source, group, positions.length));
  const range = share.range(0, positions.length);
  const taken = positions.subarray(range.first, range.first + range.count);
  const real = Array.from(taken, (position, index) => ({
    pixels: pixels.subarray(position * size, (position + 1) * size),
    record: records[position]!,
    key: [first + range.first + index],
  }));
  const { fused, drawn } = fusionsOf(source, step, group, positions, first, share);
  const images: BatchImage[] = [...real, ...fused];
  const rows = policies.length * images.length;
  const x = new Float32Array(rows * size);
  policies.forEach((policy, view) => {
    images.forEach(({ pixels, key }, index) => {
      const out = x.subarray(
        (view * images.length + index) * size,
        (view * images.length + index + 1) * size,
      );
      const parameters = drawView(policy, shape.length - 1, Rng.of(spec.seed, 'view', step, view, ...key));
      applyView({ pixels, shape }, parameters, out);
      for (let i = 0; i < size; i += 1) out[i] = (out[i]! - input.mean) / input.std;
    });
  });
  const arranged = arrange(
    spec,
    { x, shape, views: policies.length, images: images.length },
    step,
    (image) => images[image]!.key,
  );
  const codeRow = (
    keys: string[],
    of: (record: BatchImage['record']) => string,
    kind: string,
    dropout: number,
  ) => {
    const codeOf = new Int32Array(rows * arranged.copies);
    for (let row = 0; row < rows; row += 1) {
      const view = Math.floor(row / images.length);
      const { record, key } = images[row % images.length]!;
      // A generator costs a hash: none where its answer is known.
      const withheld =
        dropout === 1 ||
        (dropout > 0 && Rng.of(spec.seed, 'codes', kind, step, view, ...key).chance(dropout));
      codeOf.fill(
        codeOrShared(keys, of(record), withheld),
        row * arranged.copies,
        (row + 1) * arranged.copies,
      );
    }
    return codeOf;
  };
  const task = own ?? ('task' in spec.method ? spec.method.task : undefined);
  const head = task === undefined ? undefined : heads.find((each) => each.task === task)!;
  const known = images.map(({ record }) => record);
  return {
    group,
    ...(own === undefined ? {} : { task: own }),
    images: known.map(({ id }) => id),
    x: arranged.x,
    shape: arranged.shape,
    modality: codeRow(codes.modalities, ({ modality }) => modality, 'modality', spec.codeDropout.modality),
    bodyPart: codeRow(codes.bodyParts, ({ bodyPart }) => bodyPart, 'body part', spec.codeDropout.bodyPart),
    labels: head ? labelRows(head, known) : new Float32Array(images.length),
    drawn: { ...arranged.drawn, ...drawn },
    ...(share === BatchShare.WHOLE ? {} : { share }),
  };
}

function fusionCount({ spec, fused }: BatchSource, group: number, images: number): number {
  if (!fused) return 0;
  return fusesWithinBatch(spec.method) ? fusedWith(images, spec.fusion) : fused.countOf(group, images);
}

/** The fused images that come with a part's own, and what the loss has to know of them. */
function fusionsOf(
  source: BatchSource,
  step: number,
  group: number,
  taken: Int32Array,
  first: number,
  share: BatchShare,
): { fused: BatchImage[]; drawn: HostBatch['drawn'] } {
  const { spec, fused } = source;
  if (!fused) return { fused: [], drawn: {} };
  const own = share.range(1, fusionCount(source, group, taken.length));
  if (!fusesWithinBatch(spec.method))
    return { fused: fused.numbered(group, step, first, taken.length, own), drawn: {} };
  const { images, weights } = fused.within(group, taken, step, first, own);
  return {
    fused: images,
    drawn: { [MIXING]: { data: weights, shape: [images.length, taken.length] } },
  };
}

function codeOrShared(keys: string[], name: string, withheld: boolean): number {
  return withheld ? SHARED_CODE : codeRows(keys, [name]).rows[0]!;
}
