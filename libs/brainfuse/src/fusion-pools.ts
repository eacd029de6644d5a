import { type FusionSpec, MedformerError, type Rng } from '@medformer/schema';
import type { FusionSource } from './fusion-source.js';
import { grouped } from './grouped.js';

/** Images that may be fused with each other, by patient. */
export interface FusionPool {
  images: number;
  /** One list of images per patient, both in an order that depends on content only. */
  patients: FusionSource[][];
}

/**
 * Sorts what may be fused: images of one split, of equally many spatial axes and channels, and unless the spec says so
 * never of two modalities or body parts. Images that lack a label of `match` take no part.
 *
 * @throws MedformerError FAILED_PRECONDITION when no pool has two patients, or as many as a fusion asks for at least
 */
export function fusionPools(images: readonly FusionSource[], spec: FusionSpec): FusionPool[] {
  const least = Math.min(...spec.sources);
  const byKey = new Map<string, FusionSource[]>();
  for (const image of images) {
    const key = poolKey(image, spec);
    if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), image]);
  }
  const pools = [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, members]) => poolOf(members));
  const enough = pools.filter(({ patients }) => patients.length >= least);
  if (enough.length > 0) return enough;
  const most = Math.max(0, ...pools.map(({ patients }) => patients.length));
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `fusion: split ${spec.split}: expected at least ${least} patients with images of one modality, body part, number of axes and ${['channels', ...spec.match].join(', ')}, found ${most}`,
  );
}

/**
 * Draws the sources of a fusion: a pool in proportion to its images, then different patients of it, an image of each. A
 * pool with fewer patients than asked for gives all it has.
 */
export function drawSources(pools: readonly FusionPool[], spec: FusionSpec, rng: Rng): FusionSource[] {
  let at = rng.integer(pools.reduce((sum, { images }) => sum + images, 0));
  const pool = pools.find(({ images }) => {
    at -= images;
    return at < 0;
  })!;
  const wanted = Math.min(rng.choice(spec.sources), pool.patients.length);
  return Array.from(rng.permutation(pool.patients.length).subarray(0, wanted), (patient) =>
    rng.choice(pool.patients[patient]!),
  );
}

function poolKey({ record }: FusionSource, { split, across, match }: FusionSpec): string | undefined {
  if (record.split !== split) return undefined;
  const labels = match.map((task) => record.labels[task]);
  if (labels.includes(undefined)) return undefined;
  return JSON.stringify([
    across.modality ? '' : record.modality,
    across.bodyPart ? '' : record.bodyPart,
    record.shape.length,
    record.shape.at(-1),
    ...labels,
  ]);
}

function poolOf(members: readonly FusionSource[]): FusionPool {
  const ordered = [...members].sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
  const bySubject = grouped(ordered, ({ record }) => record.subject);
  return { images: members.length, patients: [...bySubject.values()] };
}
