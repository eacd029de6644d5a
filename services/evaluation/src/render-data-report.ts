import { getDataReport, type LoadedImages, loadImages, resolveDataset } from '@medformer/dataset';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { renderDataReport } from '@medformer/report';
import type { DataReport } from '@medformer/schema';
import type { EvaluationCalls } from './evaluation-calls.js';
import { samplePictures } from './sample-pictures.js';

/** Pairs that the page shows the pictures of. */
const SHOWN_PAIRS = 24;

/** A stored data report as a page, with small pictures of the first pairs; images go by their ids. */
export async function renderDataReportPage({
  store: storeConfig,
  report: address,
}: EvaluationCalls['renderDataReport']['input']): Promise<EvaluationCalls['renderDataReport']['output']> {
  const store = await openObjectStore(storeConfig);
  const { hash, report } = await getDataReport(store, address);
  return { html: renderDataReport({ hash, report, pictures: await pairPictures(store, report) }) };
}

async function pairPictures(store: ObjectStore, report: DataReport): Promise<string[][]> {
  const shown = report.duplicates.listed.slice(0, SHOWN_PAIRS);
  const tensors = new Map<string, ReturnType<typeof tensorsOf>[number][1]>();
  for (const [dataset, reference] of report.spec.datasets.entries()) {
    const ids = new Set(
      shown.flatMap(({ images }) => images.filter((image) => image.dataset === dataset).map(({ id }) => id)),
    );
    if (ids.size === 0) continue;
    const { manifest } = await resolveDataset(store, reference);
    for (const [id, tensor] of tensorsOf(await loadImages(store, manifest, { ids })))
      tensors.set(`${dataset} ${id}`, tensor);
  }
  const samples = shown.map(({ images }) => ({
    caption: images.map(({ id }) => id).join(' and '),
    images: images.flatMap(({ dataset, id }) => tensors.get(`${dataset} ${id}`) ?? []),
  }));
  return (await samplePictures(samples, 'pairs')).map(({ images }) => images);
}

function tensorsOf(groups: LoadedImages) {
  return groups.flatMap(({ shape, pixelType, pixels, records }) => {
    const length = pixels.length / records.length;
    return records.map(({ id }, row) => {
      const own = pixels.subarray(row * length, (row + 1) * length);
      const data = new Uint8Array(own.buffer, own.byteOffset, own.byteLength);
      return [id, { type: pixelType, shape, data }] as const;
    });
  });
}
