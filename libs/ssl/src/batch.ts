import { applyView, drawView } from '@medformer/augment';
import { type CodeKeys, codeRows, INPUT_STATISTICS, SHARED_CODE } from '@medformer/medformer';
import { type ImageRecord, Rng, type RunSpec, type ViewPolicy } from '@medformer/schema';
import type { PlannedBatch } from './batch-plan.js';

/** Images of one shape; the training data is a list of such groups. */
export interface TrainingGroup {
  /** [height, width, channels] or [depth, height, width, channels]. */
  shape: number[];
  /** [images, ...shape], contiguous. */
  pixels: Uint8Array | Uint16Array;
  records: ImageRecord[];
}

/** One step's data on the host, ready to become tensors. */
export interface HostBatch {
  group: number;
  /** Standardised views [V * B, ...shape]. */
  x: Float32Array;
  shape: number[];
  /** Code rows [V * B]. */
  modality: Int32Array;
  bodyPart: Int32Array;
  /** Class of each image [B]; zeros where the method needs none. */
  labels: Int32Array;
}

/** Draws and applies the views of a planned batch; depends on seed and step only. */
export function makeBatch(
  spec: RunSpec,
  groups: readonly TrainingGroup[],
  codes: CodeKeys,
  policies: readonly ViewPolicy[],
  step: number,
  { group, positions }: PlannedBatch,
): HostBatch {
  const { shape, pixels, records } = groups[group]!;
  const size = shape.reduce((product, edge) => product * edge, 1);
  const batch = positions.length;
  const x = new Float32Array(policies.length * batch * size);
  const withheld = Rng.of(spec.seed, 'codes', step);
  const modality: number[] = [];
  const bodyPart: number[] = [];
  policies.forEach((policy, view) => {
    positions.forEach((position, index) => {
      const out = x.subarray((view * batch + index) * size, (view * batch + index + 1) * size);
      const drawn = drawView(policy, shape.length - 1, Rng.of(spec.seed, 'view', step, view, index));
      applyView({ pixels: pixels.subarray(position * size, (position + 1) * size), shape }, drawn, out);
      for (let i = 0; i < size; i += 1) out[i] = (out[i]! - INPUT_STATISTICS.mean) / INPUT_STATISTICS.std;
      const record = records[position]!;
      modality.push(
        codeOrShared(codes.modalities, record.modality, withheld.chance(spec.codeDropout.modality)),
      );
      bodyPart.push(
        codeOrShared(codes.bodyParts, record.bodyPart, withheld.chance(spec.codeDropout.bodyPart)),
      );
    });
  });
  const task = spec.method.name === 'supervised' ? spec.method.task : undefined;
  const labels = Int32Array.from(positions, (position) =>
    task === undefined ? 0 : (records[position]!.labels[task] as number),
  );
  return {
    group,
    x,
    shape,
    modality: Int32Array.from(modality),
    bodyPart: Int32Array.from(bodyPart),
    labels,
  };
}

function codeOrShared(keys: string[], name: string, withheld: boolean): number {
  return withheld ? SHARED_CODE : codeRows(keys, [name]).rows[0]!;
}
