/** A regular grid: edges in voxels and the distance of neighbours per axis, in any one unit. */
export interface Grid {
  spatial: readonly number[];
  spacing: readonly number[];
}

/** Corners of a cell: 4 in a plane, 8 in space. */
const CORNERS = { 2: 4, 3: 8 } as const;

/**
 * Linear interpolation of a single-channel image and its gradient, per voxel, at fractional voxel places; beyond the
 * border the nearest value goes on, with gradient 0 across it.
 */
export class Sampler {
  readonly axes: 2 | 3;
  /** Of the last sample, per voxel along each axis. */
  readonly gradient: Float64Array;
  private readonly strides: number[];
  private readonly low: Int32Array;
  private readonly share: Float64Array;
  private readonly inside: Uint8Array;

  constructor(
    private readonly values: Float32Array,
    private readonly spatial: readonly number[],
  ) {
    this.axes = spatial.length as 2 | 3;
    this.gradient = new Float64Array(this.axes);
    this.low = new Int32Array(this.axes);
    this.share = new Float64Array(this.axes);
    this.inside = new Uint8Array(this.axes);
    this.strides = spatial.map((_, axis) =>
      spatial.slice(axis + 1).reduce((product, edge) => product * edge, 1),
    );
  }

  /** The value at this place in voxels; `gradient` holds its derivative afterwards. */
  at(place: Float64Array): number {
    for (let axis = 0; axis < this.axes; axis += 1) {
      const last = this.spatial[axis]! - 1;
      const here = Math.min(last, Math.max(0, place[axis]!));
      const low = Math.min(Math.max(0, last - 1), Math.floor(here));
      this.low[axis] = low;
      this.share[axis] = here - low;
      this.inside[axis] = Number(place[axis]! >= 0 && place[axis]! <= last && last > 0);
    }
    this.gradient.fill(0);
    let value = 0;
    for (let corner = 0; corner < CORNERS[this.axes]; corner += 1) value += this.corner(corner);
    return value;
  }

  private corner(corner: number): number {
    let index = 0;
    let weight = 1;
    for (let axis = 0; axis < this.axes; axis += 1) {
      const high = (corner >> axis) & 1;
      const step = high && this.low[axis]! < this.spatial[axis]! - 1 ? 1 : 0;
      index += (this.low[axis]! + step) * this.strides[axis]!;
      weight *= high ? this.share[axis]! : 1 - this.share[axis]!;
    }
    const value = this.values[index]!;
    for (let axis = 0; axis < this.axes; axis += 1) {
      if (!this.inside[axis]) continue;
      let slope = (corner >> axis) & 1 ? 1 : -1;
      for (let other = 0; other < this.axes; other += 1) {
        if (other === axis) continue;
        slope *= (corner >> other) & 1 ? this.share[other]! : 1 - this.share[other]!;
      }
      this.gradient[axis]! += slope * value;
    }
    return weight * value;
  }
}
