import type { FusionQualityRow, FusionSpec } from '@medformer/schema';
import { type Fusion, fusionAt, type Repair } from '../fuse.js';
import { fusionPools } from '../fusion-pools.js';
import type { FusionSource } from '../fusion-source.js';
import { grouped } from '../grouped.js';
import { diversity } from './diversity.js';
import { frechetDistance } from './frechet-distance.js';
import { histogramDistance } from './histogram-distance.js';
import { type Memorisation, memorisation } from './memorisation.js';
import { kindOf, levelCounts, RealImages } from './real-images.js';
import { regionDrifts } from './region-means.js';
import { seamEnergy } from './seam-energy.js';

type Embeddings = ArrayLike<number>[];

export interface FusionsToMeasure {
  /** All that may be fused, of one split. */
  images: readonly FusionSource[];
  spec: FusionSpec;
  /** Fusions 0 to count - 1 of each number of sources. */
  count: number;
  /** Of a spec with a generator. */
  repair?: Repair;
  /** Embeddings of images of one kind, [images][width]; without it there is no Frechet distance. */
  embed?: (images: readonly FusionSource[]) => Promise<Embeddings>;
  /** Called between two pieces of work: lets others have their turn, and may throw to stop. */
  turn: () => Promise<void>;
  /** How many fusions were made so far, of how many. */
  onFusion?: (done: number, total: number) => void;
}

/** What is measured of each fusion as it is made, and what is kept of it. */
interface Measured {
  image: FusionSource;
  seam: { expected: number; raw: number; repaired?: number };
  drifts: number[];
}

interface MeasuredGroup {
  sources: number;
  real: RealImages;
  fusions: Measured[];
}

/**
 * Measures fusions beside the real images of their modality, body part and number of axes: a row for each number of sources
 * and kind. The same arguments give the same numbers.
 *
 * @throws MedformerError as `fusionPools`
 */
export async function measureFusions(request: FusionsToMeasure): Promise<FusionQualityRow[]> {
  const groups = await makeAll(request);
  const rows = new Map<MeasuredGroup, FusionQualityRow>();
  for (const [real, members] of grouped(groups, (group) => group.real))
    for (const [at, row] of (await compare(real, members, request)).entries()) rows.set(members[at]!, row);
  return groups.map((group) => rows.get(group)!);
}

async function makeAll({
  images,
  spec,
  count,
  repair,
  turn,
  onFusion,
}: FusionsToMeasure): Promise<MeasuredGroup[]> {
  const reals = grouped(images, ({ record }) => kindOf(record));
  const known = new Map<string, RealImages>();
  const realOf = (kind: string) => {
    const real = known.get(kind) ?? new RealImages(reals.get(kind)!);
    known.set(kind, real);
    return real;
  };
  const numbers = [...new Set(spec.sources)];
  const groups: MeasuredGroup[] = [];
  let done = 0;
  for (const sources of numbers) {
    const own = { ...spec, sources: [sources] };
    const pools = fusionPools(images, own);
    const fusions: Measured[] = [];
    for (let index = 0; index < count; index += 1) {
      await turn();
      fusions.push(measure((each) => fusionAt(pools, own, [], index, each), repair));
      done += 1;
      onFusion?.(done, numbers.length * count);
    }
    const byKind = grouped(fusions, ({ image }) => kindOf(image.record));
    for (const kind of [...byKind.keys()].sort())
      groups.push({ sources, real: realOf(kind), fusions: byKind.get(kind)! });
  }
  return groups;
}

function measure(make: (repair: Repair | undefined) => Fusion, repair: Repair | undefined): Measured {
  // What the generator gives is measured before it is rounded to stored levels.
  let repaired: Float32Array | undefined;
  const { record, pixels, raw } = make(
    repair &&
      ((fusion) => {
        repaired = repair(fusion);
        return repaired;
      }),
  );
  const { expected, excess } = seamEnergy(raw.values, raw);
  return {
    image: { record: { ...record, tensor: 'fusions', row: record.fusion!.index }, pixels },
    seam: {
      expected,
      raw: excess,
      ...(repaired ? { repaired: seamEnergy(repaired, raw).excess } : {}),
    },
    drifts: repaired ? regionDrifts(raw.values, repaired, raw.weights, raw.shape.at(-1)!) : [],
  };
}

/** A row per group; what real images have among themselves is computed once for all. */
async function compare(
  real: RealImages,
  groups: readonly MeasuredGroup[],
  { embed, turn }: FusionsToMeasure,
): Promise<FusionQualityRow[]> {
  const realHistogram = real.histogram();
  const realDiversity = real.diversity();
  await turn();
  const values = groups.map(({ fusions }) => fusions.map(({ image }) => real.grid.valuesOf(image)));
  const found = real.patients > 1 ? memorisation(values.flat(), real.scans()) : undefined;
  await turn();
  const most = Math.max(...groups.map(({ fusions }) => fusions.length));
  const embedHalf = async (half: FusionSource[]) => embed!(half.slice(0, most));
  const halves: [Embeddings, Embeddings] | undefined = embed &&
    real.halves && [await embedHalf(real.halves[0]), await embedHalf(real.halves[1])];

  const rows: FusionQualityRow[] = [];
  let first = 0;
  for (const [at, { sources, fusions }] of groups.entries()) {
    const images = fusions.map(({ image }) => image);
    const { modality, bodyPart, shape } = images[0]!.record;
    const drifts = fusions.flatMap((fusion) => fusion.drifts).filter(Number.isFinite);
    const frechet = halves && embed && frechetOf(await embed(images), halves);
    await turn();
    const nearest = found?.nearest.slice(first, first + fusions.length);
    first += fusions.length;
    rows.push({
      sources,
      modality,
      bodyPart,
      axes: (shape.length - 1) as 2 | 3,
      fusions: fusions.length,
      images: real.images.length,
      patients: real.patients,
      seam: seamOf(fusions),
      ...(drifts.length > 0
        ? { drift: { mean: meanOf(drifts), largest: drifts.reduce((a, b) => Math.max(a, b)) } }
        : {}),
      histogram: {
        distance: histogramDistance(levelCounts(images), real.levels),
        ...(realHistogram === undefined ? {} : { real: realHistogram }),
      },
      ...(frechet ? { frechet } : {}),
      ...(found ? { memorisation: copies({ ...found, nearest: nearest! }) } : {}),
      ...(realDiversity === undefined || images.length < 2
        ? {}
        : { diversity: { fusions: diversity(values[at]!), images: realDiversity } }),
    });
  }
  return rows;
}

function seamOf(fusions: readonly Measured[]): FusionQualityRow['seam'] {
  const expected = meanOf(fusions.map(({ seam }) => seam.expected));
  const raw = meanOf(fusions.map(({ seam }) => seam.raw));
  const after = fusions.flatMap(({ seam }) => seam.repaired ?? []);
  if (after.length === 0) return { expected, raw };
  const repaired = meanOf(after);
  return { expected, raw, repaired, ratio: repaired === 0 ? null : Math.abs(raw / repaired) };
}

/**
 * The distance grows with smaller samples, so that all are of one size: the fusions to each half, and the halves to each
 * other.
 */
function frechetOf(
  fusions: Embeddings,
  [one, other]: [Embeddings, Embeddings],
): FusionQualityRow['frechet'] | undefined {
  const images = Math.min(fusions.length, one.length, other.length);
  if (images < 2) return undefined;
  const some = (rows: Embeddings) => rows.slice(0, images);
  const [made, first, second] = [some(fusions), some(one), some(other)];
  return {
    distance: (frechetDistance(made, first) + frechetDistance(made, second)) / 2,
    real: frechetDistance(first, second),
    images,
    width: made[0]!.length,
  };
}

function copies({ nearest, threshold, between }: Memorisation): FusionQualityRow['memorisation'] {
  const distances = nearest.map(({ distance }) => distance);
  return {
    threshold: 1 - threshold,
    rate: distances.filter((distance) => distance < threshold).length / distances.length,
    nearest: 1 - medianOf(distances),
    nearestReal: 1 - medianOf(between),
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
