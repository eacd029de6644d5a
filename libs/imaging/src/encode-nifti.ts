const HEADER_BYTES = 352;
const DT_UINT8 = 2;
const DT_INT16 = 4;
const DT_FLOAT32 = 16;
const DT_UINT16 = 512;
const UNITS_MM = 2;
const SCANNER_ANATOMICAL = 1;

type NiftiVoxels = Uint8Array | Int16Array | Uint16Array | Float32Array;

/**
 * A single-file NIfTI-1 image (.nii) of 8, 16-bit or float32 voxels, little-endian, no scaling (the NIfTI-1 standard, nifti1.h).
 *
 * @param voxels row-major `[depth, height, width]`; columns run to the right, rows to the front, slices to the head
 * @param spacingMm along depth, height, width; the affine is this diagonal with the middle of the grid at 0
 */
export function encodeNifti(
  voxels: NiftiVoxels,
  shape: readonly number[],
  spacingMm: readonly number[],
  description: string,
): Buffer {
  const [depth, height, width] = shape as [number, number, number];
  const [dz, dy, dx] = spacingMm as [number, number, number];
  const file = Buffer.alloc(HEADER_BYTES + voxels.byteLength);
  file.writeInt32LE(348, 0);
  [3, width, height, depth, 1, 1, 1, 1].forEach((n, i) => {
    file.writeInt16LE(n, 40 + 2 * i);
  });
  file.writeInt16LE(dataTypeOf(voxels), 70);
  file.writeInt16LE(8 * voxels.BYTES_PER_ELEMENT, 72);
  [1, dx, dy, dz, 0, 0, 0, 0].forEach((n, i) => {
    file.writeFloatLE(n, 76 + 4 * i);
  });
  file.writeFloatLE(HEADER_BYTES, 108);
  file.writeFloatLE(1, 112);
  file.writeUInt8(UNITS_MM, 123);
  file.write(description.slice(0, 79), 148, 'latin1');
  file.writeInt16LE(SCANNER_ANATOMICAL, 252);
  file.writeInt16LE(SCANNER_ANATOMICAL, 254);
  const corner = [-0.5 * (width - 1) * dx, -0.5 * (height - 1) * dy, -0.5 * (depth - 1) * dz] as const;
  // Quaternion (0, 0, 0) is no rotation; the offsets and the rows of the affine say the same.
  corner.forEach((n, i) => {
    file.writeFloatLE(n, 268 + 4 * i);
  });
  const affine = [dx, 0, 0, corner[0], 0, dy, 0, corner[1], 0, 0, dz, corner[2]];
  affine.forEach((n, i) => {
    file.writeFloatLE(n, 280 + 4 * i);
  });
  file.write('n+1\0', 344, 'latin1');
  // Typed arrays stand in this machine's byte order, which is little-endian wherever TensorFlow runs.
  file.set(new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength), HEADER_BYTES);
  return file;
}

function dataTypeOf(voxels: NiftiVoxels): number {
  if (voxels instanceof Uint8Array) return DT_UINT8;
  if (voxels instanceof Float32Array) return DT_FLOAT32;
  return voxels instanceof Int16Array ? DT_INT16 : DT_UINT16;
}
