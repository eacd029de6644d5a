import { Rng, type Split } from '@medformer/schema';

export interface SplitFractions {
  train: number;
  val: number;
  test: number;
}

/** Shares of subjects where the caller does not choose. */
export const DEFAULT_VAL_FRACTION = 0.15;
export const DEFAULT_TEST_FRACTION = 0.25;

type Classes = ReadonlyMap<string, readonly string[]>;

/** By how many subjects a class may miss its share of a split before subjects are exchanged. */
const TOLERATED_SUBJECTS = 2;
/** Pairs tried for each subject. */
const EXCHANGES = 40;

/**
 * Assigns every subject to one split: at random by the seed, in the given shares, which hold among the subjects of a
 * class as well. Independent of the order of the map and of the classes. Another subject may move all others.
 *
 * Each combination of classes is divided by itself and is within two subjects of its shares. Where combinations are
 * many, as of several tasks, this says little of a class: then subjects of two splits are exchanged, pairs at random,
 * wherever it brings classes closer to their shares, until each is within two subjects.
 *
 * Three subjects or more leave no split empty; two become train and test; one is train.
 *
 * @param classesOf each subject, e.g. those of all its images; may be none
 */
export function splitSubjects(
  classesOf: ReadonlyMap<string, Iterable<string>>,
  fractions: SplitFractions,
  seed: number,
): Map<string, Split> {
  const subjects = [...classesOf.keys()].sort(byCodePoint);
  // In one order, for sums of broken numbers depend on it.
  const classes = new Map(
    subjects.map((subject) => [subject, [...classesOf.get(subject)!].sort(byCodePoint)]),
  );
  const order = Rng.of(seed, 'split by subject').permutation(subjects.length);
  const shuffled = [...order].map((index) => subjects[index]!);
  const splits = divideCombinations(shuffled, classes, fractions);
  exchange(splits, shuffled, classes, fractions, Rng.of(seed, 'exchange between splits'));
  return splits;
}

function divideCombinations(
  shuffled: readonly string[],
  classes: Classes,
  fractions: SplitFractions,
): Map<string, Split> {
  const combination = new Map([...classes].map(([subject, own]) => [subject, own.join()]));
  // Sorting is stable, so that subjects of one combination stay in random order.
  const sorted = shuffled.toSorted((x, y) => byCodePoint(combination.get(x)!, combination.get(y)!));
  const taken: Record<Split, number> = { train: 0, val: 0, test: 0 };
  const splits = new Map<string, Split>();
  for (const [index, subject] of sorted.entries()) {
    const split = largest((one) => fractions[one] * (index + 1) - taken[one]);
    taken[split] += 1;
    splits.set(subject, split);
  }
  return fillEmptySplits(splits, sorted);
}

function exchange(
  splits: Map<string, Split>,
  subjects: readonly string[],
  classes: Classes,
  fractions: SplitFractions,
  rng: Rng,
): void {
  const surplus = surplusOf(splits, classes, fractions);
  if (furthest(surplus) <= TOLERATED_SUBJECTS) return;
  for (let round = 0; round < EXCHANGES; round += 1) {
    for (const subject of subjects) {
      const other = rng.choice(subjects);
      const [from, to] = [splits.get(subject)!, splits.get(other)!];
      if (from === to) continue;
      const [own, others] = [classes.get(subject)!, classes.get(other)!];
      const leaving = own.filter((one) => !others.includes(one)).map((one) => surplus.get(one)!);
      const coming = others.filter((one) => !own.includes(one)).map((one) => surplus.get(one)!);
      // The change of the sum of squares, halved.
      let change = leaving.length + coming.length;
      for (const of of leaving) change += of[to] - of[from];
      for (const of of coming) change += of[from] - of[to];
      if (change >= 0) continue;
      splits.set(subject, to).set(other, from);
      for (const of of leaving) move(of, from, to);
      for (const of of coming) move(of, to, from);
    }
    if (furthest(surplus) <= TOLERATED_SUBJECTS) return;
  }
}

function move(of: Record<Split, number>, from: Split, to: Split): void {
  of[from] -= 1;
  of[to] += 1;
}

/** Of each class, how many subjects a split has beyond its share. */
function surplusOf(
  splits: ReadonlyMap<string, Split>,
  classes: Classes,
  fractions: SplitFractions,
): Map<string, Record<Split, number>> {
  const surplus = new Map<string, Record<Split, number>>();
  for (const [subject, own] of classes) {
    for (const one of own) {
      const of = surplus.get(one) ?? { train: 0, val: 0, test: 0 };
      for (const split of SPLITS) of[split] -= fractions[split];
      of[splits.get(subject)!] += 1;
      surplus.set(one, of);
    }
  }
  return surplus;
}

function furthest(surplus: ReadonlyMap<string, Record<Split, number>>): number {
  let most = 0;
  for (const of of surplus.values()) for (const split of SPLITS) most = Math.max(most, Math.abs(of[split]));
  return most;
}

function fillEmptySplits(splits: Map<string, Split>, order: readonly string[]): Map<string, Split> {
  const taken: Record<Split, number> = { train: 0, val: 0, test: 0 };
  for (const split of splits.values()) taken[split] += 1;
  const needed: Split[] =
    order.length >= 3 ? ['train', 'test', 'val'] : order.length === 2 ? ['train', 'test'] : ['train'];
  for (const split of needed) {
    if (taken[split] > 0) continue;
    const giver = order.findLast((subject) => {
      const from = splits.get(subject)!;
      return taken[from] > 1 || !needed.includes(from);
    })!;
    taken[splits.get(giver)!] -= 1;
    taken[split] += 1;
    splits.set(giver, split);
  }
  return splits;
}

const SPLITS = ['train', 'test', 'val'] as const;

function largest(value: (split: Split) => number): Split {
  return SPLITS.reduce((most, split) => (value(split) > value(most) ? split : most));
}

function byCodePoint(x: string, y: string): number {
  return x < y ? -1 : x > y ? 1 : 0;
}
