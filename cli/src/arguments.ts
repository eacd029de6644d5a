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

/** For options that may be given several times. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}
