import type { FusionSource } from '../fusion-source.js';
import { spatialOf } from '../fusion-source.js';
import { greyValues } from '../grey-values.js';
import { grouped } from '../grouped.js';
import { onGrid } from '../on-grid.js';

/** Voxels that images are compared by: copies and kinship show in far fewer, and all images stand in memory. */
const MOST_VOXELS = 1 << 16;

/** One grid for images of several sizes: the commonest of theirs, coarsened by a whole factor where it is large. */
export class ComparisonGrid {
  private readonly factor: number;

  private constructor(
    private readonly like: FusionSource,
    most: number,
  ) {
    const spatial = spatialOf(like.record.shape);
    let factor = 1;
    while (spatial.reduce((product, edge) => product * Math.ceil(edge / factor), 1) > most) factor += 1;
    this.factor = factor;
  }

  /** @param images of equally many axes and channels; at least one */
  static of(images: readonly FusionSource[], most = MOST_VOXELS): ComparisonGrid {
    const byShape = grouped(images, ({ record }) => record.shape.join());
    const [commonest] = [...byShape.values()].sort((a, b) => b.length - a.length);
    return new ComparisonGrid(commonest![0]!, most);
  }

  /** [voxels, channels] in [0, 1]; each the mean of the block of voxels that it stands for. */
  valuesOf(image: FusionSource): Float32Array {
    const { shape } = this.like.record;
    const grey = onGrid(greyValues(image), image, this.like);
    return blockMeans(grey, spatialOf(shape), shape.at(-1)!, this.factor);
  }
}

function blockMeans(
  { pixels, table }: ReturnType<typeof greyValues>,
  spatial: readonly number[],
  channels: number,
  factor: number,
): Float32Array {
  const coarse = spatial.map((edge) => Math.ceil(edge / factor));
  const blocks = coarse.reduce((product, edge) => product * edge, 1);
  const sums = new Float32Array(blocks * channels);
  const counts = new Float32Array(blocks);
  for (let voxel = 0; voxel < pixels.length / channels; voxel += 1) {
    let [rest, block, stride] = [voxel, 0, 1];
    for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
      block += Math.floor((rest % spatial[axis]!) / factor) * stride;
      rest = Math.floor(rest / spatial[axis]!);
      stride *= coarse[axis]!;
    }
    counts[block]! += 1;
    for (let channel = 0; channel < channels; channel += 1) {
      const level = pixels[voxel * channels + channel]!;
      sums[block * channels + channel]! += table ? table[level]! : level;
    }
  }
  return sums.map((sum, at) => sum / counts[Math.floor(at / channels)]!);
}
