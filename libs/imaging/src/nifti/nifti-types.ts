import type { VoxelValues } from '../voxels.js';

export interface NiftiType {
  /** Of a voxel. */
  bytes: number;
  /** Bytes that change places in data of the other byte order; 1 where none do. */
  word: 1 | 2 | 4 | 8;
  /** Numbers a voxel. */
  channels: 1 | 3 | 4;
  /** All of a buffer's voxels, which is their own memory in this machine's byte order. */
  view: (buffer: ArrayBuffer) => VoxelValues;
}

const scalar = (bytes: 1 | 2 | 4 | 8, view: NiftiType['view']): NiftiType => ({
  bytes,
  word: bytes,
  channels: 1,
  view,
});

/** By NIfTI's datatype code (nifti1.h). 64-bit integers become float64. */
export const NIFTI_TYPES: Readonly<Record<number, NiftiType>> = {
  2: scalar(1, (buffer) => new Uint8Array(buffer)),
  4: scalar(2, (buffer) => new Int16Array(buffer)),
  8: scalar(4, (buffer) => new Int32Array(buffer)),
  16: scalar(4, (buffer) => new Float32Array(buffer)),
  64: scalar(8, (buffer) => new Float64Array(buffer)),
  128: { bytes: 3, word: 1, channels: 3, view: (buffer) => new Uint8Array(buffer) },
  256: scalar(1, (buffer) => new Int8Array(buffer)),
  512: scalar(2, (buffer) => new Uint16Array(buffer)),
  768: scalar(4, (buffer) => new Uint32Array(buffer)),
  1024: scalar(8, (buffer) => Float64Array.from(new BigInt64Array(buffer), Number)),
  1280: scalar(8, (buffer) => Float64Array.from(new BigUint64Array(buffer), Number)),
  2304: { bytes: 4, word: 1, channels: 4, view: (buffer) => new Uint8Array(buffer) },
};
