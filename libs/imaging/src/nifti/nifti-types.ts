import type { VoxelValues } from '../voxels.js';

export interface NiftiType {
  /** Of a voxel. */
  bytes: number;
  /** Bytes that change places in data of the other byte order; 1 where none do. */
  word: 1 | 2 | 4 | 8;
  /** Numbers a voxel. */
  channels: 1 | 3 | 4;
  /** So many words of a buffer from an aligned byte on, in this machine's byte order. */
  view: (buffer: ArrayBuffer, begin: number, words: number) => VoxelValues;
}

const scalar = (bytes: 1 | 2 | 4 | 8, view: NiftiType['view']): NiftiType => ({
  bytes,
  word: bytes,
  channels: 1,
  view,
});

/** By NIfTI's datatype code (nifti1.h). 64-bit integers become float64. */
export const NIFTI_TYPES: Readonly<Record<number, NiftiType>> = {
  2: scalar(1, (...memory) => new Uint8Array(...memory)),
  4: scalar(2, (...memory) => new Int16Array(...memory)),
  8: scalar(4, (...memory) => new Int32Array(...memory)),
  16: scalar(4, (...memory) => new Float32Array(...memory)),
  64: scalar(8, (...memory) => new Float64Array(...memory)),
  128: { bytes: 3, word: 1, channels: 3, view: (...memory) => new Uint8Array(...memory) },
  256: scalar(1, (...memory) => new Int8Array(...memory)),
  512: scalar(2, (...memory) => new Uint16Array(...memory)),
  768: scalar(4, (...memory) => new Uint32Array(...memory)),
  1024: scalar(8, (...memory) => Float64Array.from(new BigInt64Array(...memory), Number)),
  1280: scalar(8, (...memory) => Float64Array.from(new BigUint64Array(...memory), Number)),
  2304: { bytes: 4, word: 1, channels: 4, view: (...memory) => new Uint8Array(...memory) },
};
