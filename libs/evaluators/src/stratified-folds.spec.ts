import { expect, it } from 'vitest';
import { stratifiedFolds } from './stratified-folds.js';

it('gives every fold the same share of every class, within one image', () => {
  const labels = Array.from({ length: 47 }, (_, image) => (image * 7) % 4);
  const folds = stratifiedFolds(labels, 5);

  for (const label of [0, 1, 2, 3]) {
    const counts = [0, 1, 2, 3, 4].map(
      (fold) => labels.filter((other, image) => other === label && folds[image] === fold).length,
    );
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
});
