/** The materials a phantom is made of. The numbers are the columns of every table in this file. */
export const Tissue = {
  Air: 0,
  Lung: 1,
  Fat: 2,
  Muscle: 3,
  Bone: 4,
  Marrow: 5,
  Fluid: 6,
  GreyMatter: 7,
  WhiteMatter: 8,
  Liver: 9,
  Spleen: 10,
  Kidney: 11,
  Blood: 12,
  Myocardium: 13,
  Bowel: 14,
  Cartilage: 15,
  Urine: 16,
  Tumour: 17,
  Necrosis: 18,
} as const;

export type TissueId = (typeof Tissue)[keyof typeof Tissue];

/** Number of materials; the length of every property table. */
export const TISSUES = 19;

/** CT number in Hounsfield units at about 120 kVp, contrast-enhanced. Water-like fluid lies near 0 by definition. */
export const HOUNSFIELD: readonly number[] = [
  -1000, -820, -100, 55, 820, 180, 5, 38, 28, 105, 115, 150, 140, 100, 35, 110, 8, 340, 18,
];

/** What a spin echo is made of: relative proton density, T1 and T2 in ms. */
export interface Relaxation {
  density: number;
  t1: number;
  t2: number;
}

/** At about 1.5 T (rounded from the usual textbook tables). */
export const RELAXATION: readonly Relaxation[] = [
  { density: 0, t1: 1000, t2: 10 },
  { density: 0.18, t1: 1200, t2: 40 },
  { density: 0.95, t1: 270, t2: 85 },
  { density: 0.8, t1: 950, t2: 42 },
  { density: 0.08, t1: 500, t2: 5 },
  { density: 0.7, t1: 420, t2: 70 },
  { density: 1, t1: 3600, t2: 1500 },
  { density: 0.85, t1: 950, t2: 100 },
  { density: 0.72, t1: 600, t2: 78 },
  { density: 0.8, t1: 520, t2: 46 },
  { density: 0.85, t1: 850, t2: 75 },
  { density: 0.88, t1: 750, t2: 95 },
  { density: 0.9, t1: 1300, t2: 160 },
  { density: 0.82, t1: 950, t2: 52 },
  { density: 0.8, t1: 850, t2: 80 },
  { density: 0.75, t1: 800, t2: 34 },
  { density: 1, t1: 3000, t2: 1200 },
  { density: 1, t1: 280, t2: 320 },
  { density: 0.9, t1: 2600, t2: 35 },
];

/** FDG standardised uptake value about an hour after injection. */
export const UPTAKE: readonly number[] = [
  0, 0.5, 0.3, 0.8, 0.6, 1.3, 0.2, 7, 2.6, 2.4, 2.0, 3.0, 1.6, 3.2, 1.8, 0.4, 7, 11, 0.9,
];

/** Tissues in which a lesion may sit: everything but air, fat, bone and free fluid. */
export const LESION_HOST: readonly number[] = [0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0.5, 1, 0.5, 0, 0, 1, 1];
