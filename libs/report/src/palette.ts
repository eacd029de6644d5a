import type { ScoreRow } from '@medformer/schema';

const OBSERVABLE10 = [
  '#4269d0',
  '#efb118',
  '#ff725c',
  '#6cc5b0',
  '#3ca951',
  '#ff8ab7',
  '#a463f2',
  '#97bbf5',
  '#9c6b4e',
  '#9498a0',
];

/** One colour per class: Observable's ten, beyond that evenly turned hues. Legible on white and on near-black. */
export function classColours(classes: number): string[] {
  if (classes <= OBSERVABLE10.length) return OBSERVABLE10.slice(0, classes);
  return Array.from(
    { length: classes },
    (_, index) => `hsl(${Math.round((index * 360 * 0.618) % 360)} 62% ${index % 2 ? 45 : 62}%)`,
  );
}

/** One colour per way of scoring; supervised training from scratch is the grey baseline. */
export const PROTOCOL_COLOURS: Record<ScoreRow['protocol'], string> = {
  'linear-probe': '#4269d0',
  knn: '#3ca951',
  head: '#8b93a1',
};

export const PROTOCOL_NAMES: Record<ScoreRow['protocol'], string> = {
  'linear-probe': 'linear probe',
  knn: 'kNN',
  head: 'supervised',
};
