import { blobKey, type ObjectStore } from '@medformer/object-store';
import {
  type DatasetManifest,
  type ImageRecord,
  MedformerError,
  type PlacedTensor,
  readSafetensorsHeader,
  safetensorsHeaderBytes,
} from '@medformer/schema';
import { elements, type Pixels } from './dataset-image.js';
import { recordsOf } from './shard.js';

type Shard = DatasetManifest['shards'][number];

/** What a shard says of its images, and where their pixels are. */
export interface ShardIndex {
  shard: Shard;
  records: ImageRecord[];
  tensors: ReadonlyMap<string, PlacedTensor>;
}

/** Most headers come in one answer. */
const FIRST_BYTES = 256 * 1024;

/**
 * A shard's records without its pixels. What is read is not held against the shard's hash, which covers the whole: this
 * is for looking, `readShards` for computing.
 * @throws MedformerError NOT_FOUND; DATA_LOSS for a header that is none; CANCELLED
 */
export async function readShardIndex(
  store: ObjectStore,
  shard: Shard,
  signal?: AbortSignal,
): Promise<ShardIndex> {
  const name = `shard ${shard.sha256}`;
  const read = (from: number, length: number) =>
    store.get(blobKey(shard.sha256), { range: { from, length }, signal });
  let bytes = await read(0, Math.min(FIRST_BYTES, shard.bytes));
  try {
    const header = safetensorsHeaderBytes(bytes, shard.bytes, name);
    if (header > bytes.length)
      bytes = Buffer.concat([bytes, await read(bytes.length, header - bytes.length)]);
    const { tensors, metadata } = readSafetensorsHeader(bytes, shard.bytes, name);
    return { shard, records: recordsOf(tensors, metadata, name), tensors };
  } catch (cause) {
    if (!(cause instanceof MedformerError) || cause.code !== 'INVALID_ARGUMENT') throw cause;
    throw new MedformerError('DATA_LOSS', cause.message, { cause });
  }
}

/** One image's pixels, and nothing else of the shard. @throws as `readShardIndex` does */
export async function readPixels(
  store: ObjectStore,
  { shard, tensors }: Pick<ShardIndex, 'shard' | 'tensors'>,
  record: ImageRecord,
  signal?: AbortSignal,
): Promise<Pixels> {
  const width = record.pixelType === 'uint16' ? 2 : 1;
  const length = elements(record.shape) * width;
  const from = tensors.get(record.tensor)!.begin + record.row * length;
  const bytes = await store.get(blobKey(shard.sha256), { range: { from, length }, signal });
  if (bytes.length !== length) {
    throw new MedformerError(
      'DATA_LOSS',
      `shard ${shard.sha256}: image ${record.id}: expected ${length} bytes, found ${bytes.length}`,
    );
  }
  // A copy is aligned.
  const own = new Uint8Array(bytes);
  return width === 1 ? own : new Uint16Array(own.buffer);
}
