import { expect, it } from 'vitest';
import { lbfgs } from './lbfgs.js';

it('finds the minimum of an ill-conditioned quadratic', () => {
  const scales = [1, 10, 1000, 0.01];
  const minimum = [3, -2, 0.5, 10];

  const found = lbfgs((x, gradient) => {
    scales.forEach((scale, at) => {
      gradient[at] = scale * (x[at]! - minimum[at]!);
    });
    return scales.reduce((sum, scale, at) => sum + 0.5 * scale * (x[at]! - minimum[at]!) ** 2, 0);
  }, new Float64Array(4));

  for (const [at, value] of minimum.entries()) expect(found[at]).toBeCloseTo(value, 3);
});
