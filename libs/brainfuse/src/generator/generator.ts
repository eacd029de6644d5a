import type { Parameters } from '@medformer/medformer';
import { type GeneratorSpec, MedformerError, type StoredTensor } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import type { RawFusion } from '../raw-fuse.js';
import { GeneratorGrid, type SeamedImage } from './generator-input.js';
import { keepMeans } from './keep-means.js';
import { newParameters } from './new-parameters.js';
import { repaired } from './repaired.js';
import { seamMap } from './seam-map.js';

/** Voxels that are repaired at once: more of them would only fill memory. */
const VOXELS_AT_ONCE = 1 << 19;

/** A trained generator: makes raw fusions plausible. Needs a backend (`useBackend`). */
export class Generator {
  private readonly grids = new Map<string, GeneratorGrid>();

  private constructor(
    private readonly spec: GeneratorSpec,
    private readonly channels: number,
    private readonly parameters: Parameters,
  ) {}

  /**
   * @param weights as `trainGenerator` gave them
   * @throws MedformerError DATA_LOSS naming tensors that are missing, too many or of another shape
   */
  static of(spec: GeneratorSpec, channels: number, weights: ReadonlyMap<string, StoredTensor>): Generator {
    return new Generator(spec, channels, newParameters(spec, channels, weights));
  }

  /**
   * A raw fusion with its seams drawn anew: float32 [0, 1] of its shape. Away from borders between regions, and of a fusion
   * of one source everywhere, the values are the raw ones; every region keeps its mean.
   *
   * @throws MedformerError INVALID_ARGUMENT for other axes or channels than it was trained on
   */
  readonly repair = (raw: RawFusion): Float32Array => this.repairAll([raw])[0]!;

  /** As `repair`, of several at once. */
  repairAll(raws: readonly RawFusion[]): Float32Array[] {
    const out = new Array<Float32Array>(raws.length);
    const byShape = new Map<string, number[]>();
    raws.forEach(({ shape }, at) => {
      byShape.set(shape.join(), [...(byShape.get(shape.join()) ?? []), at]);
    });
    for (const members of byShape.values()) {
      const grid = this.gridOf(raws[members[0]!]!.shape);
      const rows = Math.max(1, Math.floor(VOXELS_AT_ONCE / grid.voxels));
      for (let begin = 0; begin < members.length; begin += rows) {
        const some = members.slice(begin, begin + rows);
        const images = some.map((at) => this.seamed(raws[at]!));
        const batch = this.run(grid, images);
        some.forEach((at, row) => {
          const values = grid.image(batch, row);
          keepMeans(values, raws[at]!, images[row]!.seam.band);
          out[at] = values;
        });
      }
    }
    return out;
  }

  dispose(): void {
    this.parameters.dispose();
  }

  private run(grid: GeneratorGrid, images: readonly SeamedImage[]): Float32Array {
    const result = tf.tidy(() => {
      const shape = [images.length, ...grid.padded, this.channels + 2];
      return repaired(this.parameters, tf.tensor(grid.input(images), shape), this.spec.network);
    });
    const values = result.dataSync() as Float32Array;
    result.dispose();
    return values;
  }

  private seamed({ values, weights, shape }: RawFusion): SeamedImage {
    return { values, seam: seamMap(weights, shape.slice(0, -1), this.spec.seam) };
  }

  private gridOf(shape: readonly number[]): GeneratorGrid {
    if (shape.length - 1 !== this.spec.axes || shape.at(-1) !== this.channels)
      throw new MedformerError(
        'INVALID_ARGUMENT',
        `generator: shape: expected ${this.spec.axes} spatial axes and ${this.channels} channels, found ${shape.length - 1} and ${shape.at(-1)}`,
      );
    const known = this.grids.get(shape.join());
    if (known) return known;
    const grid = new GeneratorGrid(shape, this.spec.network.levels);
    this.grids.set(shape.join(), grid);
    return grid;
  }
}
