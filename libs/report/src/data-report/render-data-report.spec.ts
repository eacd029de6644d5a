import { DataReport } from '@medformer/schema';
import { expect, it } from 'vitest';
import { renderDataReport } from './render-data-report.js';

const PICTURE = 'data:image/png;base64,AAAA';

it('names pairs by id and split, shows their pictures, and says that training refuses them', () => {
  const page = renderDataReport({ hash: 'a'.repeat(64), report: report(), pictures: [[PICTURE, PICTURE]] });

  expect(page).toContain('1 pair of images and 0 subjects stand in two splits');
  expect(page).toContain('0123456789abcdef (train)');
  expect(page).toContain('fedcba9876543210 (test)');
  expect(page.match(/<img src="data:image\/png;base64,AAAA"/g)).toHaveLength(2);
  expect(page).toContain('0.97');
});

it('has a cell for every pair of groups that can be compared, and bars for every class and split', () => {
  const page = renderDataReport({ hash: 'a'.repeat(64), report: report(), pictures: [] });

  expect(page).toContain('xray chest 2D, ct head 2D: 0.20');
  expect(page).toContain('ct head 3D, ct head 3D: 0.80');
  expect(page).not.toContain('ct head 2D, ct head 3D');
  expect(page).toContain('train sick 25.0 %');
});

it('says of a clean cohort that it is clean, and loads nothing', () => {
  const clean = report();
  clean.duplicates = { exact: { leaking: 0, within: 0 }, near: { leaking: 0, within: 0 }, listed: [] };
  const page = renderDataReport({ hash: 'a'.repeat(64), report: clean, pictures: [] });

  expect(page).toContain('No image and no subject stands in two splits.');
  expect(page).toContain("default-src 'none'");
  expect(page).not.toContain('id="duplicates"');
});

function report(): DataReport {
  return DataReport.parse({
    kind: 'medformer.data-report.v1',
    spec: { datasets: ['0'.repeat(64)] },
    datasets: [
      {
        name: 'cohort',
        synthetic: false,
        images: { train: 4, test: 2 },
        subjects: { train: 4, test: 2 },
        shapes: [{ shape: [28, 28, 1], pixelType: 'uint8', images: 6 }],
        balance: [
          {
            task: 'state',
            kind: 'binary',
            classes: ['well', 'sick'],
            images: { train: [3, 1], test: [1, 1] },
          },
        ],
      },
    ],
    groups: [
      { dataset: 0, modality: 'xray', bodyPart: 'chest', axes: 2, images: 3, subjects: 3 },
      { dataset: 0, modality: 'ct', bodyPart: 'head', axes: 2, images: 2, subjects: 2 },
      { dataset: 0, modality: 'ct', bodyPart: 'head', axes: 3, images: 2, subjects: 2 },
    ],
    similarity: {
      pixels: {
        means: [
          [0.9, 0.2, null],
          [0.2, 0.7, null],
          [null, null, 0.8],
        ],
        within: 0.8,
        between: 0.2,
      },
    },
    blankImages: 0,
    duplicates: {
      exact: { leaking: 0, within: 0 },
      near: { leaking: 1, within: 0 },
      listed: [
        {
          kind: 'near',
          images: [
            { dataset: 0, id: '0123456789abcdef', split: 'train' },
            { dataset: 0, id: 'fedcba9876543210', split: 'test' },
          ],
          leaks: true,
          hashDistance: 2,
          detailCorrelation: 0.97,
        },
      ],
    },
    sharedSubjects: [],
    codeVersion: 'test',
  });
}
