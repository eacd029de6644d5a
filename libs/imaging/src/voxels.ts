import { badInput } from '@medformer/schema';

export type VoxelValues =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** A decoded image before normalisation: values as the format defines them (Hounsfield units for CT). */
export interface Voxels {
  /** `[height, width, channels]`, or `[depth, height, width, channels]` in slices from feet to head. */
  shape: number[];
  /** Row-major; exactly product(`shape`) finite numbers. */
  values: VoxelValues;
  /** Millimetres along the spatial axes of `shape`; absent when the file does not say. */
  spacingMm?: number[];
  /** Columns run to the right, rows to anterior, slices to superior; absent when the file does not say. */
  orientation?: 'RAS';
  /** Lowest and highest value that stand for no tissue at all. */
  padding?: [number, number];
}

/** The most bytes that one decoded image may take. */
export const MAX_IMAGE_BYTES = 1024 * 1024 * 1024;

/** @throws MedformerError INVALID_ARGUMENT naming the place of the first NaN or infinity. */
export function refuseNonFinite({ shape, values }: Voxels, file: string): void {
  if (!(values instanceof Float32Array || values instanceof Float64Array)) return;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    if (Number.isFinite(value)) continue;
    throw badInput({
      file,
      field: 'voxels',
      expected: 'finite numbers',
      found: `${value} at [${position(index, shape).join(', ')}]`,
    });
  }
}

function position(index: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  let rest = index;
  for (const edge of [...shape].reverse()) {
    place.unshift(rest % edge);
    rest = Math.floor(rest / edge);
  }
  return place;
}
