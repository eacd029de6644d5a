import { DatasetManifest } from '@medformer/schema';
import { parseHTML } from 'linkedom';
import { expect, it } from 'vitest';
import { renderDatasetPage, type ShownImage } from './render-dataset-page.js';

const HOSTILE = '"><script>alert(1)</script>';
const PICTURE = 'data:image/png;base64,AAAA';

it('shows images by modality and body part with geometry, labels and split', () => {
  const { document } = parseHTML(rendered());
  const [knee, volume] = [...document.querySelectorAll('figure.sample')];
  expect(knee!.textContent).toContain('train · finding effusion, node · side left');
  expect(knee!.textContent).toContain('64 × 48 uint8 colour, spacing unknown, as stored');
  expect(volume!.textContent).toContain('9 × 64 × 64 uint16, 2.5 × 0.7 × 0.7 mm, RAS');
  expect(volume!.textContent).toContain(`finding none · side ${HOSTILE}`);
  expect([...volume!.querySelectorAll('img')].map((image) => image.getAttribute('title'))).toEqual([
    'axial',
    'coronal',
    'sagittal',
  ]);
  expect([...document.querySelectorAll('nav a')].map((link) => link.textContent)).toEqual([
    'xray knee',
    'mri head',
    'Census',
    'Class balance',
  ]);
});

it('counts classes by split, in the order of their task', () => {
  const { document } = parseHTML(rendered());
  const rows = [...document.querySelectorAll('#census table')[0]!.querySelectorAll('tbody tr')];
  expect(rows.map((row) => [...row.children].map((cell) => cell.textContent))).toEqual([
    ['finding', 'effusion', '3', '1'],
    ['finding', 'node', '2', '0'],
    ['side', 'left', '3', '0'],
    ['side', HOSTILE, '1,200', '1'],
  ]);
});

it('escapes what people wrote, says nothing of subjects, and loads nothing', () => {
  const page = rendered();
  expect(page).not.toContain('<script>');
  expect(page).toContain("default-src 'none'");
  expect(page).not.toContain('subject-');
});

function rendered(): string {
  const knee: ShownImage = {
    ...{ id: '0123456789abcdef', split: 'train', modality: 'xray', bodyPart: 'knee' },
    ...{ shape: [64, 48, 3], pixelType: 'uint8', labels: { finding: [1, 1], side: 0 } },
    pictures: [{ plane: 'image', source: PICTURE }],
  };
  const head: ShownImage = {
    ...{ id: 'fedcba9876543210', split: 'test', modality: 'mri', bodyPart: 'head' },
    ...{ shape: [9, 64, 64, 1], pixelType: 'uint16', labels: { finding: [0, 0], side: 1 } },
    ...{ spacingMm: [2.5, 0.7, 0.7], orientation: 'RAS' },
    pictures: ['axial', 'coronal', 'sagittal'].map((plane) => ({ plane, source: PICTURE })),
  };
  return renderDatasetPage({ hash: 'a'.repeat(64), manifest: manifest(), images: [knee, head], seed: 3 });
}

function manifest(): DatasetManifest {
  return DatasetManifest.parse({
    kind: 'medformer.dataset.v1',
    name: 'scans',
    description: HOSTILE,
    source: { format: 'image-folder', synthetic: false, digest: '0'.repeat(64), files: 2, bytes: 1 },
    deidentification: { profile: 'pixels-only', notes: [] },
    normalisation: {},
    splits: { policy: 'by-subject', seed: 1 },
    labelSpaces: [
      { task: 'finding', kind: 'multi-label', classes: ['effusion', 'node'] },
      { task: 'side', kind: 'binary', classes: ['left', HOSTILE] },
    ],
    census: {
      images: { train: 1203, test: 1 },
      subjects: { train: 2, test: 1 },
      modalities: { xray: 1203, mri: 1 },
      bodyParts: { knee: 1203, head: 1 },
      shapes: [{ shape: [64, 48, 3], pixelType: 'uint8', images: 1203 }],
      labels: { finding: { train: [3, 2], test: [1, 0] }, side: { train: [3, 1200], test: [0, 1] } },
    },
    shards: [{ sha256: '1'.repeat(64), bytes: 1, images: 1204 }],
    codeVersion: 'of the spec',
  });
}
