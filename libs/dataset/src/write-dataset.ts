import { blobKey, type ObjectStore, putBlob } from '@medformer/object-store';
import {
  canonicalJson,
  contentAddress,
  DatasetManifest,
  MAX_SHARD_BYTES,
  MedformerError,
  parseRecord,
} from '@medformer/schema';
import { manifestKey, type StoredDataset } from './catalogue.js';
import { CensusTaker } from './census.js';
import { type DatasetDescription, type DatasetImage, elements, pixelTypeOf } from './dataset-image.js';
import { ShardBuilder } from './shard.js';

export interface WriteOptions {
  signal?: AbortSignal;
  /** Called after every shard, with the images stored so far. */
  onShard?: (images: number) => void;
  /** At most MAX_SHARD_BYTES, which is the default. Part of what determines the dataset's hash. */
  maxShardBytes?: number;
}

/**
 * Writes the images as shards, then the manifest: the dataset exists from that one write on, whole. Equal
 * images in equal order under an equal description give an equal hash, on every machine; then nothing is
 * written and `created` is false. Memory: two shards, one of which is on its way into the store.
 *
 * @throws MedformerError INVALID_ARGUMENT for an image that contradicts its record, the label spaces or another
 * image; CANCELLED when `signal` fires before the manifest is written.
 */
export async function writeDataset(
  store: ObjectStore,
  description: DatasetDescription,
  images: AsyncIterable<DatasetImage> | Iterable<DatasetImage>,
  options: WriteOptions = {},
): Promise<StoredDataset & { created: boolean }> {
  const { signal, onShard, maxShardBytes = MAX_SHARD_BYTES } = options;
  const census = new CensusTaker(description.labelSpaces);
  const shards: DatasetManifest['shards'] = [];
  let builder = new ShardBuilder(maxShardBytes);
  let stored = 0;

  let underWay: Promise<void> = Promise.resolve();

  /** Begins to store what is there, after the shard before it: meanwhile the next one fills. */
  const flush = async () => {
    await underWay;
    refuseIfAborted(signal);
    const full = builder;
    builder = new ShardBuilder(maxShardBytes);
    underWay = put(full);
    // It may fail before its turn; whoever awaits it then still sees the failure.
    underWay.catch(() => undefined);
  };
  const put = async (full: ShardBuilder) => {
    const bytes = full.encode();
    const { sha256 } = await putBlob(store, bytes);
    shards.push({ sha256, bytes: bytes.byteLength, images: full.length });
    stored += full.length;
    onShard?.(stored);
  };

  try {
    for await (const image of images) {
      refuseIfAborted(signal);
      refuseMisshapen(image);
      census.add(image);
      if (builder.add(image)) continue;
      await flush();
      builder.add(image);
    }
  } catch (error) {
    // Nothing is written after the caller knows.
    await underWay.catch(() => undefined);
    throw error;
  }
  if (builder.length > 0) await flush();
  await underWay;
  if (shards.length === 0) {
    throw new MedformerError('INVALID_ARGUMENT', `dataset ${description.name}: expected at least one image`);
  }
  const manifest = parseRecord(
    DatasetManifest,
    { kind: 'medformer.dataset.v1', ...description, census: census.census(), shards },
    `dataset ${description.name}`,
  );
  const hash = contentAddress(manifest);
  await refuseIfGone(store, shards);
  refuseIfAborted(signal);
  const outcome = await store.put(manifestKey(manifest.name, hash), Buffer.from(canonicalJson(manifest)), {
    ifAbsent: true,
    contentType: 'application/json',
  });
  return { manifest, hash, created: outcome === 'created' };
}

/** An ingest that stood still for a day may have lost its first shards to the collector, which no manifest kept. */
async function refuseIfGone(store: ObjectStore, shards: DatasetManifest['shards']): Promise<void> {
  for (const { sha256 } of shards) {
    if (await store.head(blobKey(sha256))) continue;
    throw new MedformerError(
      'ABORTED',
      `shard ${sha256} was collected before its dataset was whole: write it again`,
    );
  }
}

function refuseMisshapen({ id, shape, pixelType, pixels }: DatasetImage): void {
  const expected = `${elements(shape)} ${pixelType} values`;
  const found = `${pixels.length} ${pixelTypeOf(pixels)} values`;
  if (expected !== found) {
    throw new MedformerError('INVALID_ARGUMENT', `image ${id}: pixels: expected ${expected}, found ${found}`);
  }
}

function refuseIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new MedformerError('CANCELLED', 'cancelled by the caller');
}
