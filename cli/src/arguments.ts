import { badInput } from '@medformer/schema';
import { InvalidArgumentError } from 'commander';

export function integer(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('expected a whole number');
  return value;
}

export function count(text: string): number {
  const value = integer(text);
  if (value < 0) throw new InvalidArgumentError('expected 0 or more');
  return value;
}

export function positive(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError('expected 1 or more');
  return value;
}

export function fraction(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 1)) throw new InvalidArgumentError('expected a share between 0 and 1');
  return value;
}

export function integers(text: string): number[] {
  return text.split(',').map(integer);
}

export function words(text: string): string[] {
  return text.split(',').map((word) => word.trim());
}

export function axes(text: string): number[] {
  const sizes = text.split('x').map(Number);
  if (sizes.every((size) => Number.isInteger(size) && size > 0)) return sizes;
  throw new InvalidArgumentError('expected sizes joined by x, e.g. 40x28x20');
}

export function millimetres(text: string): number[] {
  const spacing = text.split('x').map(Number);
  if (spacing.every((edge) => edge > 0 && Number.isFinite(edge))) return spacing;
  throw new InvalidArgumentError('expected millimetres joined by x, e.g. 1x0.5x0.5');
}

/** `mri=z-score:-3:3` as the modality and its rule. */
export function normalisationRule(text: string): [string, { rule: string; low: number; high: number }] {
  const [, modality, rule, low, high] = /^([^=]+)=([a-z-]+):([^:]+):([^:]+)$/.exec(text) ?? [];
  if (modality && rule && Number.isFinite(Number(low)) && Number.isFinite(Number(high))) {
    return [modality, { rule, low: Number(low), high: Number(high) }];
  }
  throw badInput({
    file: 'command line',
    field: '--normalise',
    expected: 'modality=rule:low:high, e.g. mri=z-score:-3:3',
    found: text.slice(0, 80),
  });
}

/** For options that may be given several times. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}
