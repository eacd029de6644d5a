import { drawImages, readPixels, resolveDataset } from '@medformer/dataset';
import { renderThumbnails } from '@medformer/imaging';
import { openObjectStore } from '@medformer/object-store';
import { renderDatasetPage, type ShownImage } from '@medformer/report';
import type { IngestionCalls } from './ingestion-calls.js';

type Page = IngestionCalls['page'];

/** The page of a data set. Read are the headers of its shards and the pixels that it shows, one image after the other. */
export async function page(
  { store: config, references, options }: Page['input'],
  { signal, progress }: { signal: AbortSignal; progress(event: Page['progress']): void },
): Promise<Page['output']> {
  const store = await openObjectStore(config);
  const { manifest, hash } = await resolveDataset(store, references.dataset);
  const { edge, seed, ...most } = options;
  const shards = manifest.shards.length;
  const onShard = (done: number) => progress({ stage: 'search', done, total: shards });
  const drawn = await drawImages(store, manifest, { ...most, seed, signal, onShard });
  const images: ShownImage[] = [];
  for (const one of drawn) {
    signal.throwIfAborted();
    const pixels = await readPixels(store, one, one.record, signal);
    images.push(await shown(one.record, pixels, edge));
    progress({ stage: 'draw', done: images.length, total: drawn.length });
  }
  return { html: renderDatasetPage({ hash, manifest, images, seed }) };
}

/** By name, so that nothing else of the record, such as its subject, gets into the page. */
async function shown(
  {
    id,
    split,
    modality,
    bodyPart,
    shape,
    pixelType,
    spacingMm,
    orientation,
    labels,
  }: Omit<ShownImage, 'pictures'>,
  pixels: Uint8Array | Uint16Array,
  edge: number,
): Promise<ShownImage> {
  const thumbnails = await renderThumbnails({ shape, pixels, spacingMm, orientation }, edge);
  return {
    ...{ id, split, modality, bodyPart, shape, pixelType, labels },
    ...(spacingMm ? { spacingMm } : {}),
    ...(orientation ? { orientation } : {}),
    pictures: thumbnails.map(({ plane, png }) => ({
      plane,
      source: `data:image/png;base64,${png.toString('base64')}`,
    })),
  };
}
