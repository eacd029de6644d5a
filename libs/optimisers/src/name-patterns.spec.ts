import { OptimiserSpec } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { isNamed, unusedPatterns } from './name-patterns.js';

const NAMES = [
  'body/00/mlp/expand/weight',
  'method/simclr/projection-0/weight',
  'output/heads/region/weight',
  'body/norm/gain',
  'body/norm/bias',
  'input/latents',
  'input/modality-codes',
  'output/shared-query',
];

describe('weight decay', () => {
  it('spares biases, norms, codes and latents by default', () => {
    expect(decayedBy(OptimiserSpec.parse({}).decayed)).toEqual(NAMES.slice(0, 3));
  });

  it('applies to what the last fitting pattern says', () => {
    expect(decayedBy(['*/weight', '!output/*'])).toEqual(NAMES.slice(0, 2));
    expect(decayedBy(['*', '!*', 'body/*', '!*/bias'])).toEqual([NAMES[0], NAMES[3]]);
    expect(decayedBy(['input/latents'])).toEqual(['input/latents']);
    expect(decayedBy([])).toEqual([]);
  });

  it('takes a pattern literally apart from its stars, and for the whole name', () => {
    expect(isNamed('body/weights', ['*/weight'])).toBe(false);
    expect(isNamed('bodyxnorm', ['body.norm'])).toBe(false);
  });

  it('names the patterns that fit no parameter', () => {
    expect(unusedPatterns(NAMES, ['*/weight', '*/wieght', '!decoder/*'])).toEqual(['*/wieght', '!decoder/*']);
  });
});

const decayedBy = (patterns: string[]) => NAMES.filter((name) => isNamed(name, patterns));
