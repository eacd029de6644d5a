import { expect, it } from 'vitest';
import { delong } from './delong.js';

it('refuses a class of one image, which has no variance', () => {
  expect(() => delong([1, 2, 3], [1, 2, 3], (image) => image === 0)).toThrow(/found 1 and 2/);
});
