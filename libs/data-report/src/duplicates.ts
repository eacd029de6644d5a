import type { DuplicateRule } from '@medformer/schema';
import { type Detail, detailCorrelation, shifted } from './detail.js';
import type { Fingerprint } from './fingerprint.js';
import { closeHashes } from './hamming-search.js';
import { shiftOf } from './perceptual-hash.js';
import { SharedDetail } from './shared-detail.js';

/** Two images that are the same, by position among the fingerprints. */
export interface DuplicatePair {
  first: number;
  second: number;
  kind: 'exact' | 'near';
  /** 0 and 1 of equal images. */
  distance: number;
  correlation: number;
}

/**
 * Exact and near duplicates. Of k equal images each is paired with the first of them, and the first of every data set and
 * split is compared with other images. Images are not compared with volumes.
 * @param onTurn called every so many images: to yield and to see a cancellation
 */
export async function findDuplicates(
  images: readonly Fingerprint[],
  rule: DuplicateRule,
  onTurn: () => Promise<void> | void = () => {},
): Promise<DuplicatePair[]> {
  const { pairs, distinct } = exactDuplicates(images);
  for (const axes of [2, 3] as const) {
    const compared = distinct.filter((at) => images[at]!.axes === axes);
    pairs.push(...(await nearDuplicates(images, compared, axes, rule, onTurn)));
  }
  return pairs;
}

/** @returns the pairs, and the images that are left to compare: of equal ones the first of each data set and split. */
function exactDuplicates(images: readonly Fingerprint[]): { pairs: DuplicatePair[]; distinct: number[] } {
  const pairs: DuplicatePair[] = [];
  const distinct: number[] = [];
  const firstOf = new Map<string, number>();
  const firstThere = new Set<string>();
  for (const [at, { pixels, dataset, record, detail }] of images.entries()) {
    if (!detail) continue;
    const first = firstOf.get(pixels);
    if (first === undefined) firstOf.set(pixels, at);
    else pairs.push({ first, second: at, kind: 'exact', distance: 0, correlation: 1 });
    const place = `${pixels} ${dataset} ${record.split}`;
    if (firstThere.has(place)) continue;
    firstThere.add(place);
    distinct.push(at);
  }
  return { pairs, distinct };
}

async function nearDuplicates(
  images: readonly Fingerprint[],
  compared: readonly number[],
  axes: 2 | 3,
  rule: DuplicateRule,
  onTurn: () => Promise<void> | void,
): Promise<DuplicatePair[]> {
  const variants = 3 ** axes;
  const hashes = new Uint32Array(compared.length * variants * 2);
  for (const [row, at] of compared.entries()) hashes.set(images[at]!.hashes, row * variants * 2);
  const needed = neededCorrelation(rule, compared.length);
  const shared = new SharedDetails(images, compared);
  const pairs: DuplicatePair[] = [];
  for await (const close of closeHashes(hashes, variants, rule.hashDistance, onTurn)) {
    const first = compared[close.first]!;
    const second = compared[close.second]!;
    const [x, y] = [images[first]!, images[second]!];
    if (x.pixels === y.pixels) continue;
    const shift = shiftOf(close.variant, axes);
    if (detailCorrelation(x.detail!, y.detail!, shift) < needed) continue;
    const correlation = shared.correlation(x, y, shift);
    if (correlation < needed) continue;
    pairs.push({ first, second, kind: 'near', distance: close.distance, correlation });
  }
  return pairs;
}

/**
 * Pairs up to which the rule's correlation stands, what each tenfold of them adds to it, and where that ends: the more pairs
 * of strangers there are, the more alike the most alike of them. Measured in `experiments/data-report`.
 */
const PAIRS_OF_THE_RULE = 2.5e6;
const PER_TENFOLD = 0.05;
const MOST_NEEDED = 0.95;

function neededCorrelation({ detailCorrelation }: DuplicateRule, images: number): number {
  const pairs = (images * (images - 1)) / 2;
  const risen = detailCorrelation + PER_TENFOLD * Math.max(0, Math.log10(pairs / PAIRS_OF_THE_RULE));
  return Math.max(detailCorrelation, Math.min(MOST_NEEDED, risen));
}

/** What the images of each modality and body part share, found when it is first asked for. Volumes tell enough without. */
class SharedDetails {
  private readonly members = new Map<string, Detail[]>();
  private readonly known = new Map<string, SharedDetail | undefined>();

  constructor(images: readonly Fingerprint[], compared: readonly number[]) {
    for (const at of compared) {
      const image = images[at]!;
      if (image.axes === 3) continue;
      const key = groupOf(image);
      const members = this.members.get(key) ?? [];
      if (members.length === 0) this.members.set(key, members);
      members.push(image.detail!);
    }
  }

  /** Of what is left of both without what the group of either shares; the smaller of both. */
  correlation(x: Fingerprint, y: Fingerprint, shift: readonly number[]): number {
    const aligned = shifted(y.detail!, shift);
    const still = shift.map(() => 0);
    const correlations = [...new Set([groupOf(x), groupOf(y)])].map((group) => {
      const shared = this.of(group);
      if (!shared) return detailCorrelation(x.detail!, aligned, still);
      const rest = (detail: Detail): Detail => ({ shape: detail.shape, values: shared.without(detail) });
      return detailCorrelation(rest(x.detail!), rest(aligned), still);
    });
    return Math.min(...correlations);
  }

  private of(group: string): SharedDetail | undefined {
    if (!this.known.has(group)) this.known.set(group, SharedDetail.of(this.members.get(group) ?? []));
    return this.known.get(group);
  }
}

function groupOf({ record }: Fingerprint): string {
  return `${record.modality} ${record.bodyPart}`;
}
