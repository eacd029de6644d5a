import { setImmediate } from 'node:timers/promises';
import {
  type Fusion,
  type FusionPool,
  type FusionSource,
  fuse,
  fusionAt,
  fusionPools,
  Generator,
} from '@medformer/brainfuse';
import { loadGenerator } from '@medformer/checkpoint';
import { loadImages, resolveDataset, type StoredDataset } from '@medformer/dataset';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { type FusionSpec, MedformerError } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import type { FusionRequest, MadeFusion } from './fusion-calls.js';

/** A data set's images of one split in memory, ready to be fused. */
export class FusionMaker {
  private constructor(
    readonly store: ObjectStore,
    readonly dataset: StoredDataset,
    private readonly spec: FusionSpec,
    private readonly images: ReadonlyMap<string, FusionSource>,
    private readonly pools: readonly FusionPool[],
    private readonly generator: Generator | undefined,
  ) {}

  /**
   * @throws MedformerError as `resolveDataset`, `loadImages`, `fusionPools` and `loadGenerator`; CANCELLED
   */
  static async open(
    { store: storeConfig, dataset: address, spec, threads }: FusionRequest,
    signal: AbortSignal,
  ): Promise<FusionMaker> {
    const store = await openObjectStore(storeConfig);
    const dataset = await resolveDataset(store, address);
    const options = threads ? { threads } : {};
    const { sources, generator } = await openFusions(store, dataset, spec, options, signal);
    const pools = fusionPools(sources, spec);
    const images = new Map(sources.map((source) => [source.record.id, source]));
    return new FusionMaker(store, dataset, spec, images, pools, generator);
  }

  at(index: number): Fusion {
    const spaces = this.dataset.manifest.labelSpaces;
    return fusionAt(this.pools, this.spec, spaces, index, this.generator?.repair);
  }

  /** Fusions of consecutive numbers; between two, other calls get their turn. */
  async make(first: number, count: number, withSources: boolean, signal: AbortSignal): Promise<MadeFusion[]> {
    const made: MadeFusion[] = [];
    for (let index = first; index < first + count; index += 1) {
      await setImmediate();
      signal.throwIfAborted();
      made.push(this.handOver(this.at(index), withSources));
    }
    return made;
  }

  /** @throws MedformerError NOT_FOUND for an image that the split does not have */
  fuse(imageIds: readonly string[], index: number, withSources: boolean): MadeFusion {
    const sources = imageIds.map((id) => {
      const source = this.images.get(id);
      if (source) return source;
      throw new MedformerError(
        'NOT_FOUND',
        `image ${JSON.stringify(id.slice(0, 80))}: not in the dataset's ${this.spec.split} split`,
      );
    });
    const spaces = this.dataset.manifest.labelSpaces;
    return this.handOver(fuse(sources, this.spec, spaces, index, this.generator?.repair), withSources);
  }

  dispose(): void {
    this.generator?.dispose();
  }

  private handOver({ record, pixels, raw }: Fusion, withSources: boolean): MadeFusion {
    if (!withSources) return { record, pixels };
    const { weights, aligned, values } = raw;
    const before = this.generator ? { raw: values } : {};
    return { record, pixels, parts: { weights, sources: [...aligned], ...before } };
  }
}

/** The images that a spec fuses and the generator that repairs them: then only those of its number of axes. */
export async function openFusions(
  store: ObjectStore,
  dataset: StoredDataset,
  { split, generator: address }: FusionSpec,
  { dimensions, threads }: { dimensions?: 2 | 3; threads?: number },
  signal: AbortSignal,
): Promise<{ sources: FusionSource[]; generator?: Generator }> {
  const stored = address ? await loadGenerator(store, address) : undefined;
  const axes = dimensions ?? stored?.record.spec.axes;
  const sources = await fusionSources(store, dataset, split, signal, axes);
  if (!stored) return { sources };
  const { record, weights } = stored;
  await useBackend(threads ? { threads } : {});
  return { sources, generator: Generator.of(record.spec, record.channels, weights) };
}

/** All images of a split, or those with so many axes, one by one, as views of the loaded data. */
export async function fusionSources(
  store: ObjectStore,
  { manifest }: StoredDataset,
  split: FusionSpec['split'],
  signal: AbortSignal,
  dimensions?: 2 | 3,
): Promise<FusionSource[]> {
  const groups = await loadImages(store, manifest, {
    split,
    signal,
    ...(dimensions ? { dimensions: [dimensions] } : {}),
  });
  return groups.flatMap(({ records, pixels, shape }) => {
    const size = shape.reduce((product, edge) => product * edge, 1);
    return records.map((record, row) => ({ record, pixels: pixels.subarray(row * size, (row + 1) * size) }));
  });
}
