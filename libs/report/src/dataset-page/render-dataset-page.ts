import type { DatasetManifest, ImageRecord } from '@medformer/schema';
import { balances } from '../data-report/balances.js';
import { plural } from '../numbers.js';
import { page, type Section } from '../page.js';
import { census } from './census.js';
import { datasetHeader } from './dataset-header.js';
import { shownImages } from './shown-images.js';

export interface ShownImage
  extends Pick<
    ImageRecord,
    'id' | 'split' | 'modality' | 'bodyPart' | 'shape' | 'pixelType' | 'spacingMm' | 'orientation' | 'labels'
  > {
  /** `data:image/png;base64,…` of each plane. */
  pictures: { plane: string; source: string }[];
}

/** Everything the page is made of; no part is fetched by the page itself. */
export interface DatasetPageInput {
  /** Content address of `manifest`. */
  hash: string;
  manifest: DatasetManifest;
  /** In the order in which they are shown; those of one modality and body part stand together. */
  images: readonly ShownImage[];
  /** What drew them. */
  seed: number;
}

/**
 * A data set as one self-contained HTML page for the eye: pictures by modality and body part with geometry, labels and split,
 * then the census. Images go by their ids alone. Light and dark.
 */
export function renderDatasetPage({ hash, manifest, images, seed }: DatasetPageInput): string {
  const groups = new Map<string, ShownImage[]>();
  for (const image of images) {
    const name = `${image.modality} ${image.bodyPart}`;
    groups.set(name, [...(groups.get(name) ?? []), image]);
  }
  const balance = manifest.labelSpaces.flatMap(({ task, kind, classes }) => {
    const counts = manifest.census.labels[task];
    return counts ? [{ task, kind, classes, images: counts }] : [];
  });
  const total = Object.values(manifest.census.images).reduce((sum, count) => sum + count, 0);
  const sections: Section[] = [
    ...[...groups].map(([name, shown], at): Section => {
      const id = `images-${at + 1}`;
      return [id, name, shownImages(id, name, shown, manifest.labelSpaces)];
    }),
    ['census', 'Census', census(manifest)],
    ['balance', 'Class balance', balances([{ name: manifest.name, balance }])],
  ];
  return page({
    title: `${manifest.name} · Medformer data set`,
    header: datasetHeader(manifest),
    sections,
    footer: `Data set ${hash} · ${images.length.toLocaleString('en')} of ${plural(total, 'image')}, drawn by seed ${seed} · code ${manifest.codeVersion}`,
  });
}
