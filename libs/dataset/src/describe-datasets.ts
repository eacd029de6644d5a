import { setImmediate } from 'node:timers/promises';
import { Survey } from '@medformer/data-report';
import { getBlob, type ObjectStore } from '@medformer/object-store';
import type { DataReport, DataReportSpec, DatasetManifest } from '@medformer/schema';
import { resolveDataset } from './catalogue.js';
import { findDataReport, putDataReport, type StoredDataReport } from './data-report-store.js';
import { type LoadedImages, loadImages } from './load-images.js';
import { decodeShard } from './shard.js';

export interface DescribeOptions {
  /** Part of what names the report. */
  codeVersion: string;
  signal?: AbortSignal;
  /** Called with the images looked at so far. */
  onProgress?: (done: number, total: number) => void;
  /** Embeddings `[images][width]` of these images, over all groups; needed where the spec names a checkpoint. */
  embed?: (images: LoadedImages) => Promise<ArrayLike<number>[]>;
}

/**
 * The data report of this specification: found where this code has made it before, else made and stored. Every shard is read
 * once and none is kept, so that memory does not grow with the size of the images.
 * @throws MedformerError NOT_FOUND or DATA_LOSS for what is missing or altered; CANCELLED.
 */
export async function describeDatasets(
  store: ObjectStore,
  spec: DataReportSpec,
  options: DescribeOptions,
): Promise<StoredDataReport> {
  const known = await findDataReport(store, spec, options.codeVersion);
  if (known) return known;
  const manifests: DatasetManifest[] = [];
  for (const address of spec.datasets) manifests.push((await resolveDataset(store, address)).manifest);
  return putDataReport(store, await survey(store, spec, manifests, options));
}

async function survey(
  store: ObjectStore,
  spec: DataReportSpec,
  manifests: readonly DatasetManifest[],
  { codeVersion, signal, onProgress, embed }: DescribeOptions,
): Promise<DataReport> {
  const shards = manifests.flatMap((manifest, dataset) =>
    manifest.shards.map((shard) => ({ ...shard, dataset })),
  );
  const total = shards.reduce((sum, { images }) => sum + images, 0);
  const surveyed = new Survey(spec, manifests);
  const turn = async () => {
    await setImmediate();
    signal?.throwIfAborted();
  };
  let done = 0;
  for (const { sha256, dataset } of shards) {
    const bytes = await getBlob(store, sha256, signal ? { signal } : {});
    for (const { record, pixels } of decodeShard(bytes, `shard ${sha256}`)) {
      surveyed.add(dataset, record, pixels);
      done += 1;
      if (done % IMAGES_PER_TURN !== 0) continue;
      onProgress?.(done, total);
      await turn();
    }
  }
  onProgress?.(done, total);
  const cohort = await surveyed.finish(codeVersion, turn);
  if (!embed) return cohort.report;
  const wanted = cohort.wanted();
  const embeddings: Map<string, ArrayLike<number>>[] = [];
  for (const [dataset, manifest] of manifests.entries()) {
    const keep = wanted[dataset]!;
    const images = await loadImages(store, manifest, {
      ids: keep,
      ...(signal ? { signal } : {}),
    });
    const rows = await embed(images);
    const ids = images.flatMap(({ records }) => records.map(({ id }) => id));
    embeddings.push(new Map(ids.map((id, row) => [id, rows[row]!])));
  }
  return cohort.withEmbeddings(embeddings);
}

const IMAGES_PER_TURN = 200;
