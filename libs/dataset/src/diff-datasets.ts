import type { ObjectStore } from '@medformer/object-store';
import { canonicalJson, type DatasetManifest, type ImageRecord } from '@medformer/schema';
import type { StoredDataset } from './catalogue.js';
import { readShards } from './read-shards.js';

/** What is said of an image, less where it stands in a shard. */
const IMAGE_FIELDS = [
  'split',
  'subject',
  'labels',
  'modality',
  'bodyPart',
  'shape',
  'pixelType',
  'spacingMm',
  'orientation',
  'normalisation',
  'fusion',
  'mixtures',
] as const satisfies (keyof ImageRecord)[];

const MANIFEST_FIELDS = [
  'description',
  'deidentification',
  'normalisation',
  'resampling',
  'splits',
  'labelSpaces',
  'codeVersion',
] as const satisfies (keyof DatasetManifest)[];

export type ImageField = (typeof IMAGE_FIELDS)[number];

/** How one dataset came to be another. Images are the same where they are the same frame of the same file's bytes. */
export interface DatasetDifference {
  before: string;
  after: string;
  /** Ids, in the order of `after` and `before`. */
  added: string[];
  removed: string[];
  changed: { id: string; fields: ImageField[] }[];
  /** Images that are in both, as they were. */
  same: number;
  /** Fields of the manifests that differ. */
  manifestFields: string[];
}

/** @throws MedformerError NOT_FOUND or DATA_LOSS for a shard that is missing or altered; CANCELLED. */
export async function diffDatasets(
  store: ObjectStore,
  before: StoredDataset,
  after: StoredDataset,
  signal?: AbortSignal,
): Promise<DatasetDifference> {
  const [old, now] = [
    await recordsOf(store, before.manifest, signal),
    await recordsOf(store, after.manifest, signal),
  ];
  const changed: DatasetDifference['changed'] = [];
  let same = 0;
  for (const [id, record] of now) {
    const was = old.get(id);
    if (!was) continue;
    const fields = IMAGE_FIELDS.filter((field) => different(was[field], record[field]));
    if (fields.length > 0) changed.push({ id, fields });
    else same += 1;
  }
  return {
    before: before.hash,
    after: after.hash,
    added: [...now.keys()].filter((id) => !old.has(id)),
    removed: [...old.keys()].filter((id) => !now.has(id)),
    changed,
    same,
    manifestFields: MANIFEST_FIELDS.filter((field) =>
      different(before.manifest[field], after.manifest[field]),
    ),
  };
}

async function recordsOf(
  store: ObjectStore,
  manifest: DatasetManifest,
  signal?: AbortSignal,
): Promise<Map<string, ImageRecord>> {
  const records = new Map<string, ImageRecord>();
  for await (const { images } of readShards(store, manifest, signal))
    for (const { record } of images) records.set(record.id, record);
  return records;
}

const different = (x: unknown, y: unknown) => canonicalJson(x ?? null) !== canonicalJson(y ?? null);
