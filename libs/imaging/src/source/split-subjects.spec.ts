import { Rng, type Split } from '@medformer/schema';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitSubjects } from './split-subjects.js';

const SHARES = { train: 0.6, val: 0.15, test: 0.25 };
const SPLITS: Split[] = ['train', 'val', 'test'];
/** Of the numbers that property tests draw; a failure prints the seed that repeats it. */
const RUNS = { numRuns: 60 };

/** Up to 60 subjects, each with a class of up to six tasks, of which a task has up to four; some say nothing. */
const cohorts = fc
  .record({
    subjects: fc.integer({ min: 1, max: 60 }),
    tasks: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 6 }),
    known: fc.double({ min: 0.3, max: 1, noNaN: true }),
    draw: fc.nat(),
  })
  .map(({ subjects, tasks, known, draw }) => {
    const rng = Rng.of('cohort', draw);
    const classesOf = () =>
      tasks.flatMap((classes, task) => (rng.chance(known) ? [`${task}=${rng.integer(classes)}`] : []));
    return new Map(Array.from({ length: subjects }, (_, index) => [`subject-${index}`, classesOf()]));
  });
const fractions = fc
  .record({ val: fc.integer({ min: 1, max: 45 }), test: fc.integer({ min: 1, max: 45 }) })
  .map(({ val, test }) => ({ train: (100 - val - test) / 100, val: val / 100, test: test / 100 }));

describe('splitSubjects', () => {
  it('puts every subject of any cohort into one split, close to the shares of all and of each class', () => {
    fc.assert(
      fc.property(cohorts, fractions, fc.nat(), (classes, shares, seed) => {
        const splits = splitSubjects(classes, shares, seed);
        expect([...splits.keys()].sort().join()).toBe([...classes.keys()].sort().join());
        const present = new Set(splits.values());
        const needed: Split[] =
          classes.size === 1 ? ['train'] : classes.size === 2 ? ['train', 'test'] : SPLITS;
        expect(needed.filter((split) => !present.has(split))).toEqual([]);
        expect(furthest(splits.keys(), splits, shares)).toBeLessThanOrEqual(2);
        for (const one of new Set([...classes.values()].flat())) {
          const own = [...splits.keys()].filter((subject) => classes.get(subject)!.includes(one));
          expect(furthest(own, splits, shares)).toBeLessThanOrEqual(3);
        }
      }),
      RUNS,
    );
  });

  it('gives a cohort the same splits in any order, and others with another seed', () => {
    fc.assert(
      fc.property(cohorts, fractions, fc.nat(), fc.nat(), (classes, shares, seed, draw) => {
        const entries = [...classes];
        const order = Rng.of('order', draw).permutation(entries.length);
        const shuffled = new Map(
          [...order].map((index) => [entries[index]![0], entries[index]![1].toReversed()]),
        );
        expect(sorted(splitSubjects(shuffled, shares, seed))).toBe(
          sorted(splitSubjects(classes, shares, seed)),
        );
      }),
      RUNS,
    );
    const classes = new Map(Array.from({ length: 50 }, (_, index) => [`${index}`, ['x']]));
    expect(sorted(splitSubjects(classes, SHARES, 4))).not.toBe(sorted(splitSubjects(classes, SHARES, 3)));
  });

  it('divides fourteen findings of 500 patients, nearly all of them in a combination of their own', () => {
    const rng = Rng.of('findings');
    const findings = Array.from({ length: 14 }, (_, finding) => 0.02 + 0.05 * finding);
    const classes = new Map(
      Array.from({ length: 500 }, (_, patient) => [
        `${patient}`,
        findings.map((rate, finding) => `${finding}=${rng.chance(rate)}`),
      ]),
    );
    const splits = splitSubjects(classes, SHARES, 1);
    expect(count(splits)).toEqual({ train: 300, val: 75, test: 125 });
    for (const one of new Set([...classes.values()].flat())) {
      const own = [...classes].filter(([, classes]) => classes.includes(one)).map(([subject]) => subject);
      expect(furthest(own, splits, SHARES)).toBeLessThanOrEqual(2);
    }
  });
});

/** By how many of the subjects a split misses its share of them. */
function furthest(
  subjects: Iterable<string>,
  splits: ReadonlyMap<string, Split>,
  shares: Record<Split, number>,
): number {
  const all = [...subjects];
  const missed = SPLITS.map((split) => {
    const there = all.filter((subject) => splits.get(subject) === split).length;
    return Math.abs(there - shares[split] * all.length);
  });
  return Math.max(...missed);
}

function count(splits: ReadonlyMap<string, Split>): Record<Split, number> {
  const counts = { train: 0, val: 0, test: 0 };
  for (const split of splits.values()) counts[split] += 1;
  return counts;
}

function sorted(splits: ReadonlyMap<string, Split>): string {
  return [...splits]
    .map((pair) => pair.join(' '))
    .sort()
    .join('\n');
}
