import type { ObjectStore } from '@medformer/object-store';
import { type DatasetManifest, type ImageRecord, MedformerError, Rng } from '@medformer/schema';
import { readShardIndex, type ShardIndex } from './shard-index.js';

/** An image that was drawn, and where its pixels are. */
export interface DrawnImage extends Pick<ShardIndex, 'shard' | 'tensors'> {
  record: ImageRecord;
}

export interface DrawOptions {
  /** Images of each modality and body part, and of each class among them. */
  perKind: number;
  /** Images in all: where kinds have more, each gives up its last ones first. */
  limit: number;
  seed: number;
  signal?: AbortSignal;
  /** Called after every shard with those looked through so far. */
  onShard?: (shards: number) => void;
}

/**
 * Some images of every kind, at random by the seed; a larger number of a kind holds the smaller one. Reads headers of
 * shards alone; memory: one header and what is drawn.
 * @returns by modality, body part and id
 * @throws MedformerError as `readShardIndex` does
 */
export async function drawImages(
  store: ObjectStore,
  manifest: DatasetManifest,
  { perKind, limit, seed, signal, onShard }: DrawOptions,
): Promise<DrawnImage[]> {
  const kinds = new Map<string, Lot[]>();
  for (const [at, shard] of manifest.shards.entries()) {
    if (signal?.aborted) throw new MedformerError('CANCELLED', 'cancelled by the caller');
    const { records, tensors } = await readShardIndex(store, shard, signal);
    for (const record of records) {
      const lot = { image: { record, shard, tensors }, number: Rng.of(seed, 'show', record.id).uniform() };
      for (const kind of kindsOf(record)) {
        const lots = kinds.get(kind);
        if (lots) keepLowest(lots, lot, perKind);
        else kinds.set(kind, [lot]);
      }
    }
    onShard?.(at + 1);
  }
  const ranks = new Map<string, { lot: Lot; rank: number }>();
  for (const lots of kinds.values()) {
    for (const [rank, lot] of lots.entries()) {
      const { id } = lot.image.record;
      ranks.set(id, { lot, rank: Math.min(rank, ranks.get(id)?.rank ?? rank) });
    }
  }
  return [...ranks.values()]
    .sort((x, y) => x.rank - y.rank || x.lot.number - y.lot.number)
    .slice(0, limit)
    .map(({ lot }) => lot.image)
    .sort((x, y) => (orderOf(x.record) < orderOf(y.record) ? -1 : 1));
}

interface Lot {
  image: DrawnImage;
  number: number;
}

/** Lots stay sorted; there are few of them. */
function keepLowest(lots: Lot[], lot: Lot, count: number): void {
  if (lots.length >= count && lots.at(-1)!.number <= lot.number) return;
  const place = lots.findIndex(({ number }) => number > lot.number);
  lots.splice(place === -1 ? lots.length : place, 0, lot);
  if (lots.length > count) lots.pop();
}

function kindsOf({ modality, bodyPart, labels }: ImageRecord): string[] {
  const group = `${modality} ${bodyPart}`;
  const classes = Object.entries(labels).flatMap(([task, label]) =>
    Array.isArray(label)
      ? label.flatMap((positive, one) => (positive ? [`${group} ${task}=${one}`] : []))
      : [`${group} ${task}=${label}`],
  );
  return [group, ...classes];
}

function orderOf({ modality, bodyPart, id }: ImageRecord): string {
  return `${modality} ${bodyPart} ${id}`;
}
