import { Rng, type Split } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { splitSubjects } from './split-subjects.js';

const SHARES = { train: 0.6, val: 0.15, test: 0.25 };

describe('splitSubjects', () => {
  it('gives the shares asked for, within every stratum as well', () => {
    const strata = cohort(400, ['healthy', 'nodule', 'mass', 'both']);
    const splits = splitSubjects(strata, SHARES, 1);
    expect(count(splits)).toEqual({ train: 240, val: 60, test: 100 });
    for (const stratum of ['healthy', 'nodule', 'mass', 'both']) {
      const own = [...splits].filter(([subject]) => strata.get(subject) === stratum);
      expect(own.filter(([, split]) => split === 'train').length / own.length).toBeCloseTo(0.6, 1);
    }
  });

  it('depends on the seed and on nothing else', () => {
    const strata = cohort(50, ['a', 'b']);
    const reversed = new Map([...strata].reverse());
    expect(sorted(splitSubjects(reversed, SHARES, 3))).toEqual(sorted(splitSubjects(strata, SHARES, 3)));
    expect(sorted(splitSubjects(strata, SHARES, 4))).not.toEqual(sorted(splitSubjects(strata, SHARES, 3)));
  });

  it('leaves no split empty from three subjects on, whatever the shares', () => {
    for (let subjects = 1; subjects <= 12; subjects += 1) {
      for (const val of [0.01, 0.3, 0.6]) {
        for (const test of [0.01, 0.3]) {
          const splits = splitSubjects(
            cohort(subjects, ['x']),
            { train: 1 - val - test, val, test },
            subjects,
          );
          expect(splits.size).toBe(subjects);
          const present = new Set(splits.values());
          const expected: Split[] =
            subjects === 1 ? ['train'] : subjects === 2 ? ['train', 'test'] : ['train', 'val', 'test'];
          expect([...expected].filter((split) => !present.has(split))).toEqual([]);
        }
      }
    }
  });
});

function cohort(subjects: number, strata: string[]): Map<string, string> {
  const rng = Rng.of('cohort', subjects);
  return new Map(Array.from({ length: subjects }, (_, index) => [`subject-${index}`, rng.choice(strata)]));
}

function count(splits: Map<string, Split>): Record<Split, number> {
  const counts = { train: 0, val: 0, test: 0 };
  for (const split of splits.values()) counts[split] += 1;
  return counts;
}

function sorted(splits: Map<string, Split>): [string, Split][] {
  return [...splits].sort(([x], [y]) => (x < y ? -1 : 1));
}
