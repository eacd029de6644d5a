/** A regular grid: edges in voxels and the distance of neighbours per axis, in any one unit. */
export interface Grid {
  spatial: readonly number[];
  spacing: readonly number[];
}

/**
 * Linear interpolation of a single-channel image and its gradient, per voxel, at fractional voxel places; beyond the
 * border the nearest value goes on, with gradient 0 across it.
 */
export class Sampler {
  /** Of the last sample, per voxel along each axis. */
  readonly gradient: Float64Array;
  private readonly depth: number;
  private readonly height: number;
  private readonly width: number;

  constructor(
    private readonly values: Float32Array,
    spatial: readonly number[],
  ) {
    this.gradient = new Float64Array(spatial.length);
    this.depth = spatial.length === 3 ? spatial[0]! : 1;
    this.height = spatial.at(-2)!;
    this.width = spatial.at(-1)!;
  }

  /** The value at this place in voxels; `gradient` holds its derivative afterwards. */
  at(place: Float64Array): number {
    return place.length === 3 ? this.inVolume(place) : this.inPlane(place[0]!, place[1]!, 0);
  }

  private inVolume(place: Float64Array): number {
    const last = this.depth - 1;
    const z = clamped(place[0]!, last);
    const front = Math.min(Math.max(0, last - 1), Math.floor(z));
    const share = z - front;
    const near = this.inPlane(place[1]!, place[2]!, front);
    const [down, right] = [this.gradient[1]!, this.gradient[2]!];
    const far = this.inPlane(place[1]!, place[2]!, Math.min(last, front + 1));
    this.gradient[0] = isWithin(place[0]!, last) ? far - near : 0;
    this.gradient[1] = down + share * (this.gradient[1]! - down);
    this.gradient[2] = right + share * (this.gradient[2]! - right);
    return near + share * (far - near);
  }

  /** In one plane; its derivatives go to the last two of the gradient. */
  private inPlane(row: number, column: number, plane: number): number {
    const [bottom, edge] = [this.height - 1, this.width - 1];
    const [y, x] = [clamped(row, bottom), clamped(column, edge)];
    const top = Math.min(Math.max(0, bottom - 1), Math.floor(y));
    const left = Math.min(Math.max(0, edge - 1), Math.floor(x));
    const [down, right] = [y - top, x - left];
    const at = (plane * this.height + top) * this.width + left;
    const below = bottom > 0 ? this.width : 0;
    const beside = edge > 0 ? 1 : 0;
    const upperLeft = this.values[at]!;
    const upperRight = this.values[at + beside]!;
    const lowerLeft = this.values[at + below]!;
    const lowerRight = this.values[at + below + beside]!;
    const upper = upperLeft + right * (upperRight - upperLeft);
    const lower = lowerLeft + right * (lowerRight - lowerLeft);
    const axes = this.gradient.length;
    this.gradient[axes - 2] = isWithin(row, bottom) ? lower - upper : 0;
    this.gradient[axes - 1] = isWithin(column, edge)
      ? (1 - down) * (upperRight - upperLeft) + down * (lowerRight - lowerLeft)
      : 0;
    return upper + down * (lower - upper);
  }
}

function clamped(place: number, last: number): number {
  return place < 0 ? 0 : Math.min(place, last);
}

function isWithin(place: number, last: number): boolean {
  return place >= 0 && place <= last && last > 0;
}
