import { type Grid, Sampler } from './sample-grid.js';

/**
 * From a place on the fixed image to one on the moving image, both from the middle of the grid and in its units of
 * length: matrix times place plus offset.
 */
export interface Affine {
  /** [axes, axes], row by row. */
  matrix: number[];
  offset: number[];
}

export function identityAffine(axes: number): Affine {
  return {
    matrix: Array.from({ length: axes * axes }, (_, at) => (at % (axes + 1) === 0 ? 1 : 0)),
    offset: new Array<number>(axes).fill(0),
  };
}

/** An affine as it acts on voxel places of one grid. */
export interface VoxelAffine {
  matrix: number[];
  offset: number[];
}

export function inVoxels({ matrix, offset }: Affine, { spatial, spacing }: Grid): VoxelAffine {
  const axes = spatial.length;
  const middle = spatial.map((edge) => (edge - 1) / 2);
  const scaled = matrix.map((value, at) => (value * spacing[at % axes]!) / spacing[Math.floor(at / axes)]!);
  return {
    matrix: scaled,
    offset: middle.map((centre, row) => {
      const turned = middle.reduce((sum, each, column) => sum + scaled[row * axes + column]! * each, 0);
      return centre + offset[row]! / spacing[row]! - turned;
    }),
  };
}

/**
 * The moving image [...spatial, channels] as it lies on the fixed image, by linear interpolation.
 *
 * @param outside what stands where the moving image does not reach; its own border goes on when absent
 */
export function applyAffine(
  image: Float32Array,
  grid: Grid,
  channels: number,
  affine: Affine,
  outside?: Float32Array,
): Float32Array {
  const { spatial } = grid;
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  const { matrix, offset } = inVoxels(affine, grid);
  const out = new Float32Array(image.length);
  const place = new Float64Array(spatial.length);
  for (let channel = 0; channel < channels; channel += 1) {
    const plane =
      channels === 1
        ? image
        : Float32Array.from({ length: voxels }, (_, at) => image[at * channels + channel]!);
    const sampler = new Sampler(plane, spatial);
    forEachVoxel(spatial, 1, (voxel, at) => {
      transform(matrix, offset, at, place);
      const value = voxel * channels + channel;
      out[value] = outside && !isInside(place, spatial) ? outside[value]! : sampler.at(place);
    });
  }
  return out;
}

/** Within half a voxel of the grid's outermost ones. */
function isInside(place: Float64Array, spatial: readonly number[]): boolean {
  return place.every((at, axis) => at >= -0.5 && at <= spatial[axis]! - 0.5);
}

/** place = matrix * at + offset. */
export function transform(
  matrix: readonly number[],
  offset: readonly number[],
  at: Float64Array,
  place: Float64Array,
): void {
  const axes = at.length;
  for (let row = 0; row < axes; row += 1) {
    let sum = offset[row]!;
    for (let column = 0; column < axes; column += 1) sum += matrix[row * axes + column]! * at[column]!;
    place[row] = sum;
  }
}

/** Visits every `stride`-th voxel of the row-major order with its place. */
export function forEachVoxel(
  spatial: readonly number[],
  stride: number,
  visit: (voxel: number, at: Float64Array) => void,
): void {
  const at = new Float64Array(spatial.length);
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  for (let voxel = 0; voxel < voxels; voxel += stride) {
    let rest = voxel;
    for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
      at[axis] = rest % spatial[axis]!;
      rest = Math.floor(rest / spatial[axis]!);
    }
    visit(voxel, at);
  }
}
