/** Kinds of runs: normal training on labels, Barlow Twins, and normal training with consistency regularisation. */
export const PHASES = ['bt', 'nt', 'cr'] as const;
export type Phase = (typeof PHASES)[number];

/** What stands in for more patients: nothing, raw fusions, or fusions that the generator repaired. */
export type Fusing = 'none' | 'raw' | 'brainfuse';

interface TopScores {
  /** Mean and standard deviation, in per cent. */
  top1: [number, number];
  top3: [number, number];
  top5: [number, number];
}

export interface Procedure {
  label: string;
  /** Runs one after the other, each from the weights of the one before. */
  phases: readonly Phase[];
  fusing: Fusing;
  /** What the thesis reports of it, on its own data, which is not public (C. Simionescu, UAIC Iasi, 2025). */
  thesis: TopScores;
}

/** The six procedures of the thesis's table, in the order of what it claims. */
export const PROCEDURES: readonly Procedure[] = [
  {
    label: 'NT',
    phases: ['nt'],
    fusing: 'none',
    thesis: { top1: [32.1, 0.27], top3: [53.8, 0.18], top5: [64.21, 0.32] },
  },
  {
    label: 'NT + BT',
    phases: ['bt', 'nt'],
    fusing: 'none',
    thesis: { top1: [40.1, 0.77], top3: [62.8, 0.11], top5: [73.01, 0.1] },
  },
  {
    label: 'NT + BT + RawBrainFuse',
    phases: ['bt', 'nt'],
    fusing: 'raw',
    thesis: { top1: [45.1, 0.94], top3: [67.5, 0.41], top5: [80.01, 0.1] },
  },
  {
    label: 'NT + BT + RawBrainFuse + CR',
    phases: ['bt', 'cr'],
    fusing: 'raw',
    thesis: { top1: [46.6, 0.9], top3: [68.8, 0.78], top5: [81.1, 0.31] },
  },
  {
    label: 'NT + BT + BrainFuse',
    phases: ['bt', 'nt'],
    fusing: 'brainfuse',
    thesis: { top1: [50.11, 0.3], top3: [71.16, 0.12], top5: [82.9, 0.22] },
  },
  {
    label: 'NT + BT + BrainFuse + CR',
    phases: ['bt', 'cr'],
    fusing: 'brainfuse',
    thesis: { top1: [51.4, 0.84], top3: [72.1, 0.61], top5: [83.8, 0.52] },
  },
];

/** What the thesis claims: the second of each pair recognises more than the first. Positions in PROCEDURES. */
export const CLAIMS: readonly (readonly [worse: number, better: number])[] = [
  [0, 1],
  [1, 2],
  [2, 4],
  [2, 3],
  [4, 5],
];
