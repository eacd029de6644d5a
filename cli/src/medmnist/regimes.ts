/** A kind of run. `ssl` learns a pretext task on a set's training images, `st` the set's own task alone. */
export type Phase = 'ssl' | 'st';

/**
 * How a model that is judged comes about: runs one after the other, each from the weights of the one before. Multi-task
 * regimes (`mt`, and `ssl-mt`) have a phase over all sets at once, and their place here once a run can have several tasks.
 */
export const REGIMES = {
  st: ['st'],
  'ssl-st': ['ssl', 'st'],
} as const satisfies Record<string, readonly Phase[]>;

export type RegimeName = keyof typeof REGIMES;

export const REGIME_LABELS: Record<RegimeName, string> = { st: 'ST', 'ssl-st': 'SSL, then ST' };
