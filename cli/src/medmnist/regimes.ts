/**
 * A kind of run. On one set: `ssl` learns a pretext task on its training images, `st` its own task alone. On all chosen sets
 * together, with one set of weights: `ssl-all` learns a pretext task, `mt` every set's task.
 */
export const PHASES = ['ssl', 'st', 'ssl-all', 'mt'] as const;
export type Phase = (typeof PHASES)[number];

/** Phases whose run is the same for every set. */
export function isJoint(phase: Phase): boolean {
  return phase === 'ssl-all' || phase === 'mt';
}

/** Phases that learn from labels, and so end with a model that is judged. */
export function isLabelled(phase: Phase): boolean {
  return phase === 'st' || phase === 'mt';
}

/** How a model that is judged comes about: runs one after the other, each from the weights of the one before. */
export const REGIMES = {
  st: ['st'],
  mt: ['mt'],
  'ssl-st': ['ssl', 'st'],
  'ssl-mt': ['ssl-all', 'mt'],
} as const satisfies Record<string, readonly Phase[]>;

export type RegimeName = keyof typeof REGIMES;

export const REGIME_LABELS: Record<RegimeName, string> = {
  st: 'ST',
  mt: 'MT',
  'ssl-st': 'SSL, then ST',
  'ssl-mt': 'SSL, then MT',
};

export function phasesOf(regimes: readonly RegimeName[]): Phase[] {
  return [...new Set<Phase>(regimes.flatMap((regime) => REGIMES[regime]))];
}
