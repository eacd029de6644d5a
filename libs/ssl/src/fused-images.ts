import {
  anchorAt,
  drawSources,
  type Fusion,
  type FusionPool,
  type FusionSource,
  fuse,
  fusionAt,
  fusionPools,
  type Repair,
} from '@medformer/brainfuse';
import type { TaskHead } from '@medformer/medformer';
import {
  fusedWith,
  type ImageRecord,
  type LabelSpace,
  MedformerError,
  Rng,
  type RunFusion,
  type RunSpec,
} from '@medformer/schema';
import type { TrainingGroup } from './training-group.js';

/** An image of a batch, before its views. */
export interface BatchImage {
  pixels: Uint8Array | Uint16Array;
  record: Pick<ImageRecord, 'id' | 'modality' | 'bodyPart' | 'labels' | 'mixtures' | 'fusion'>;
  /** What its views and codes are drawn by, beside seed and step. */
  key: readonly (string | number)[];
}

/** Fusions of images of one batch, and how much of each image is in each. */
export interface BatchFusions {
  images: BatchImage[];
  /** [fusions, images of the batch]; rows sum to 1. */
  weights: Float32Array;
}

/** Fusions are numbered below this where the run says no other number. */
const NUMBERS = 2 ** 31 - 1;
/** Fusions kept of a run that has a number of them. */
const KEPT_BYTES = 64 * 1024 * 1024;
/** A fusion of a group is found by trying numbers; so many in vain are not chance. */
const TRIES = 100_000;

/** The fused images of a run's batches, by its seed and the step. */
export class FusedImages {
  private readonly fusion: RunFusion;
  private readonly sources: FusionSource[][];
  private readonly groupOf = new Map<FusionSource, number>();
  private readonly spaces: LabelSpace[];
  private readonly pools = new Map<string | undefined, FusionPool[]>();
  private readonly fusable = new Map<number, boolean>();
  private readonly kept = new Map<string, Made>();
  private keptBytes = 0;

  /** @throws MedformerError FAILED_PRECONDITION where the spec names a generator and none is given */
  constructor(
    private readonly run: Pick<RunSpec, 'seed'> & { fusion: RunFusion },
    private readonly groups: readonly TrainingGroup[],
    heads: readonly TaskHead[],
    private readonly repair?: Repair,
  ) {
    this.fusion = run.fusion;
    if (this.fusion.spec.generator && !repair)
      throw new MedformerError('FAILED_PRECONDITION', 'spec: fusion.spec.generator: it was not loaded');
    this.sources = groups.map(sourcesOf);
    this.sources.forEach((own, group) => {
      for (const source of own) this.groupOf.set(source, group);
    });
    this.spaces = heads.map(({ task, kind = 'multi-class', classes }) => ({
      task,
      kind,
      classes: Array.from({ length: classes }, (_, at) => String(at)),
    }));
  }

  /**
   * Numbered fusions, of all images that the run has for the task of the group, that are of the group's form; none where
   * the group has no image that may be fused.
   * @param first place of the part's first image among the step's
   * @param own which of the part's fusions to make; all when absent
   */
  numbered(group: number, step: number, first: number, images: number, own?: OwnFusions): BatchImage[] {
    const pools = this.poolsFor(group);
    if (!this.isFusable(pools, group)) return [];
    return placesOf(fusedWith(images, this.fusion), own).map((at) => {
      const rng = Rng.of(this.run.seed, 'fusion of batch', step, first, at);
      return batchImage(this.at(pools, group, this.drawNumber(pools, group, rng)), at);
    });
  }

  /** How many numbered fusions come with so many images of a group. */
  countOf(group: number, images: number): number {
    return this.isFusable(this.poolsFor(group), group) ? fusedWith(images, this.fusion) : 0;
  }

  /** Fusions of these images of a group, `own` ones or all. */
  within(group: number, positions: Int32Array, step: number, first: number, own?: OwnFusions): BatchFusions {
    const { spec } = this.fusion;
    const members = [...positions].map((position) => this.sources[group]![position]!);
    const pools = fusionPools(members, spec);
    const places = placesOf(fusedWith(positions.length, this.fusion), own);
    const weights = new Float32Array(places.length * positions.length);
    const images = places.map((at, row) => {
      const rng = Rng.of(this.run.seed, 'fusion of batch', step, first, at);
      const drawn = drawSources(pools, spec, rng);
      const fusion = fuse(drawn, spec, this.spaces, rng.integer(NUMBERS), this.repair);
      fusion.sources.forEach((source, part) => {
        weights[row * positions.length + members.indexOf(source)] = fusion.raw.shares[part]!;
      });
      return batchImage(fusion, at);
    });
    return { images, weights };
  }

  private poolsFor(group: number): FusionPool[] {
    const { task } = this.groups[group]!;
    const known = this.pools.get(task);
    if (known) return known;
    const images = this.sources.filter((_, at) => this.groups[at]!.task === task).flat();
    const pools = fusionPools(images, this.fusion.spec);
    this.pools.set(task, pools);
    return pools;
  }

  private isFusable(pools: readonly FusionPool[], group: number): boolean {
    const known = this.fusable.get(group);
    if (known !== undefined) return known;
    const found = pools.some(({ patients }) =>
      patients.some((images) => images.some((image) => this.groupOf.get(image) === group)),
    );
    this.fusable.set(group, found);
    return found;
  }

  /** Of the fusions that have the form of the group's images. */
  private drawNumber(pools: readonly FusionPool[], group: number, rng: Rng): number {
    const { spec, count = NUMBERS } = this.fusion;
    for (let tried = 0; tried < TRIES; tried += 1) {
      const index = rng.integer(count);
      if (this.groups.length === 1 || this.groupOf.get(anchorAt(pools, spec, index)) === group) return index;
    }
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `spec: fusion.count: expected enough that some are of shape ${this.groups[group]!.shape.join('x')}, found ${count}`,
    );
  }

  private at(pools: readonly FusionPool[], group: number, index: number): Made {
    const { spec, count } = this.fusion;
    const key = `${this.groups[group]!.task} ${index}`;
    const known = this.kept.get(key);
    if (known) return known;
    const { record, pixels } = fusionAt(pools, spec, this.spaces, index, this.repair);
    if (count !== undefined && this.keptBytes + pixels.byteLength <= KEPT_BYTES) {
      this.kept.set(key, { record, pixels });
      this.keptBytes += pixels.byteLength;
    }
    return { record, pixels };
  }
}

/** Consecutive fusions of a part. */
interface OwnFusions {
  first: number;
  count: number;
}

function placesOf(all: number, { first, count }: OwnFusions = { first: 0, count: all }): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

type Made = Pick<Fusion, 'record' | 'pixels'>;

function batchImage({ record, pixels }: Made, at: number): BatchImage {
  return { pixels, record, key: ['fused', at] };
}

function sourcesOf({ shape, pixels, records }: TrainingGroup): FusionSource[] {
  const size = shape.reduce((product, edge) => product * edge, 1);
  return records.map((record, at) => ({ record, pixels: pixels.subarray(at * size, (at + 1) * size) }));
}
