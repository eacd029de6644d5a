import { expect, it } from 'vitest';
import { centred, product, similarityOf, standardised } from './similarity.js';

const image = (group: number, subject: string, values: number[]) => ({
  group,
  subject,
  vector: standardised(values),
});

it("is Pearson's correlation between images of different subjects, whatever their brightness and contrast", () => {
  const images = [
    image(0, 'a', [1, 2, 3, 4]),
    image(0, 'b', [10, 20, 30, 40]),
    // Of a subject that is there already: compared with others only.
    image(0, 'a', [4, 3, 2, 1]),
    image(1, 'c', [4, 3, 2, 1]),
  ];
  const { means, within, between } = similarityOf(images, 3);

  // a with b: 1; b with the second of a: -1.
  expect(means[0]![0]).toBeCloseTo(0, 6);
  // Against c: -1, -1, 1.
  expect(means[0]![1]).toBeCloseTo(-1 / 3, 3);
  expect(means[1]![0]).toBe(means[0]![1]);
  expect(means[1]![1]).toBeNull();
  expect(means[2]).toEqual([null, null, null]);
  expect(within).toBeCloseTo(0, 6);
  expect(between).toBeCloseTo(-1 / 3, 3);
});

it('takes the common mean from embeddings, without which all are alike', () => {
  const [x, y] = centred([
    [100, 1],
    [100, -1],
  ]);

  expect(product(x!, y!)).toBeCloseTo(-1, 6);
});
