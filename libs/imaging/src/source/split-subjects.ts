import { Rng, type Split } from '@medformer/schema';

export interface SplitFractions {
  train: number;
  val: number;
  test: number;
}

/** Shares of subjects where the caller does not choose. */
export const DEFAULT_VAL_FRACTION = 0.15;
export const DEFAULT_TEST_FRACTION = 0.25;

/**
 * Assigns every subject to one split: at random by the seed, in the given shares, alike among subjects of the same
 * stratum (any string, e.g. the classes of the subject's images). Independent of the order of the map.
 *
 * Three subjects or more leave no split empty; two become train and test; one is train.
 */
export function splitSubjects(
  strata: ReadonlyMap<string, string>,
  fractions: SplitFractions,
  seed: number,
): Map<string, Split> {
  const subjects = [...strata.keys()].sort(byCodePoint);
  const order = Rng.of(seed, 'split by subject').permutation(subjects.length);
  const shuffled = [...order].map((index) => subjects[index]!);
  // Sorting is stable, so that subjects of one stratum stay in random order; the shares then hold within strata too.
  shuffled.sort((x, y) => byCodePoint(strata.get(x)!, strata.get(y)!));

  const taken: Record<Split, number> = { train: 0, val: 0, test: 0 };
  const splits = new Map<string, Split>();
  for (const [index, subject] of shuffled.entries()) {
    const split = mostOwed(fractions, taken, index + 1);
    taken[split] += 1;
    splits.set(subject, split);
  }
  fillEmptySplits(splits, taken, shuffled);
  return splits;
}

function mostOwed(fractions: SplitFractions, taken: Record<Split, number>, subjects: number): Split {
  const owed = (split: Split) => fractions[split] * subjects - taken[split];
  return (['train', 'test', 'val'] as const).reduce((most, split) =>
    owed(split) > owed(most) ? split : most,
  );
}

function fillEmptySplits(splits: Map<string, Split>, taken: Record<Split, number>, order: string[]): void {
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
}

function byCodePoint(x: string, y: string): number {
  return x < y ? -1 : x > y ? 1 : 0;
}
