import { type FusionSpec, type GeneratorSpec, MedformerError, Rng } from '@medformer/schema';
import { drawSources, type FusionPool, fusionPools } from '../fusion-pools.js';
import { type FusionSource, spatialOf } from '../fusion-source.js';
import { allValues, greyValues } from '../grey-values.js';
import { drawMask } from '../masks/mask.js';
import { borderBetween } from '../neighbours.js';
import { seamEnergy } from '../quality/seam-energy.js';
import { type RawFusion, rawFuse } from '../raw-fuse.js';
import { GeneratorGrid } from './generator-input.js';
import { drawPseudoFusion, pseudoFusion } from './pseudo-fusion.js';
import { seamMap } from './seam-map.js';

/** Values of one input of a step. */
export interface HostTensor {
  data: Float32Array;
  shape: number[];
}

/** What one step is computed from; see `GeneratorInputs`. */
export interface GeneratorBatch {
  input: HostTensor;
  target: HostTensor;
  fusions?: HostTensor;
  between?: HostTensor;
  expected?: HostTensor;
}

/** Scans of one pool and one grid, in an order that depends on content only. */
interface ScanGroup {
  pool: FusionPool;
  scans: FusionSource[];
  grid: GeneratorGrid;
}

/** Makes the batches of a generator's training: each a pure function of the scans, the spec and the step. */
export class GeneratorBatches {
  readonly channels: number;
  private readonly pools: FusionPool[];
  private readonly fusion: FusionSpec;
  private readonly groups: ScanGroup[];
  private readonly images: number;

  /**
   * @throws MedformerError FAILED_PRECONDITION without patients to fuse, INVALID_ARGUMENT for scans of several numbers of
   *   channels
   */
  constructor(
    private readonly spec: GeneratorSpec,
    scans: readonly FusionSource[],
  ) {
    this.fusion = { ...spec.fusion, mask: spec.masks[0]!, seed: spec.seed };
    const own = scans.filter(({ record }) => spatialOf(record.shape).length === spec.axes);
    this.pools = fusionPools(own, this.fusion);
    this.groups = this.pools.flatMap((pool) => groupsOf(pool, spec));
    this.images = this.groups.reduce((sum, group) => sum + group.scans.length, 0);
    const channels = [...new Set(this.groups.map(({ grid }) => grid.channels))];
    if (channels.length !== 1)
      throw new MedformerError(
        'INVALID_ARGUMENT',
        `generator: channels: expected one number for all scans, found ${channels.sort().join(', ')}`,
      );
    this.channels = channels[0]!;
  }

  /** @param step counts from 1 */
  at(step: number): GeneratorBatch {
    const { spec } = this;
    const rng = Rng.of(spec.seed, 'generator', step);
    let index = rng.integer(this.images);
    const group = this.groups.find(({ scans }) => {
      index -= scans.length;
      return index < 0;
    })!;
    const { grid } = group;
    const pairs = Array.from({ length: spec.batchSize }, (_, row) => {
      const own = Rng.of(spec.seed, 'generator', step, row);
      const scan = allValues(greyValues(own.choice(group.scans)));
      return pseudoFusion(scan, grid.shape, this.drawPair(grid, own), spec.seam);
    });
    return {
      input: batched(grid.input(pairs), grid, grid.channels + 2),
      target: batched(grid.values(pairs.map(({ target }) => target)), grid, grid.channels),
      ...(spec.loss.seam > 0 ? this.fusionsAt(step, group) : {}),
    };
  }

  private fusionsAt(
    step: number,
    { pool, scans, grid }: ScanGroup,
  ): Pick<GeneratorBatch, 'fusions' | 'between' | 'expected'> {
    const { seed, fusionBatchSize, seam } = this.spec;
    const spatial = spatialOf(grid.shape);
    const raws = Array.from({ length: fusionBatchSize }, (_, row) => {
      const own = Rng.of(seed, 'generator fusion', step, row);
      return this.rawFusion(pool, own.choice(scans), own);
    });
    const seamed = raws.map(({ values, weights }) => ({ values, seam: seamMap(weights, spatial, seam) }));
    const between = raws.map(({ weights }) => borderBetween(weights, spatial));
    const expected = raws.map((raw) => seamEnergy(raw.values, raw).expected);
    return {
      fusions: batched(grid.input(seamed), grid, grid.channels + 2),
      between: batched(grid.inside(between), grid, spatial.length),
      expected: { data: Float32Array.from(expected), shape: [raws.length] },
    };
  }

  private drawPair({ shape }: GeneratorGrid, rng: Rng) {
    const { masks, fusion, differences } = this.spec;
    // One source has no seam to learn from.
    const sources = Math.max(2, rng.choice(fusion.sources));
    return drawPseudoFusion(rng.choice(masks), sources, spatialOf(shape), differences, rng);
  }

  /** A raw fusion on the grid of this scan. */
  private rawFusion(pool: FusionPool, anchor: FusionSource, rng: Rng): RawFusion {
    const others = drawSources([pool], this.fusion, rng).filter(
      ({ record }) => record.subject !== anchor.record.subject,
    );
    const sources = [anchor, ...others].slice(0, Math.max(2, rng.choice(this.fusion.sources)));
    const mask = drawMask(rng.choice(this.spec.masks), sources.length, spatialOf(anchor.record.shape), rng);
    return rawFuse(this.fusion, sources, { anchor: 0, mask });
  }
}

/** [images, ...padded, width]. */
function batched(data: Float32Array, { padded, voxels }: GeneratorGrid, width: number): HostTensor {
  return { data, shape: [data.length / (voxels * width), ...padded, width] };
}

function groupsOf(pool: FusionPool, { network }: GeneratorSpec): ScanGroup[] {
  const byShape = new Map<string, FusionSource[]>();
  for (const scan of pool.patients.flat()) {
    const key = scan.record.shape.join();
    byShape.set(key, [...(byShape.get(key) ?? []), scan]);
  }
  return [...byShape.values()].map((scans) => ({
    pool,
    scans,
    grid: new GeneratorGrid(scans[0]!.record.shape, network.levels),
  }));
}
