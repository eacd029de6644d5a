import { getBlob, MAX_OBJECT_BYTES, type ObjectStore } from '@medformer/object-store';
import {
  type CheckpointRecord,
  decodeSafetensors,
  encodeSafetensors,
  type StoredTensor,
} from '@medformer/schema';

/** What the header may take of a blob: names and offsets of some thousand tensors. */
const HEADER_BYTES = 1024 * 1024;

/** Tensors as safetensors, in the order of their names, in as many blobs as the store's largest object asks for. */
export function encodeTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Record<string, string>,
  maxBytes = MAX_OBJECT_BYTES - HEADER_BYTES,
): Buffer[] {
  const shards: Map<string, StoredTensor>[] = [new Map()];
  let bytes = 0;
  for (const name of [...tensors.keys()].sort()) {
    const tensor = tensors.get(name)!;
    if (bytes > 0 && bytes + tensor.data.byteLength > maxBytes) {
      shards.push(new Map());
      bytes = 0;
    }
    shards.at(-1)!.set(name, tensor);
    bytes += tensor.data.byteLength;
  }
  return shards.map((shard) => encodeSafetensors({ tensors: shard, metadata }));
}

/** @throws MedformerError NOT_FOUND; DATA_LOSS when bytes do not give their hash */
export async function getTensors(
  store: ObjectStore,
  blobs: CheckpointRecord['weights'],
  what: string,
): Promise<Map<string, StoredTensor>> {
  const tensors = new Map<string, StoredTensor>();
  for (const { sha256 } of blobs)
    for (const [name, tensor] of decodeSafetensors(await getBlob(store, sha256), what).tensors)
      tensors.set(name, tensor);
  return tensors;
}
