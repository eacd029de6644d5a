import { setImmediate } from 'node:timers/promises';
import { type FusionSource, measureFusions as measure } from '@medformer/brainfuse';
import { loadCheckpoint, referFor } from '@medformer/checkpoint';
import { findFusionQuality, putFusionQuality, resolveDataset } from '@medformer/dataset';
import type { PixelGroup } from '@medformer/medformer';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { contentAddress, type FusionQuality } from '@medformer/schema';
import { embedImages } from '@medformer/ssl';
import { useBackend } from '@medformer/tensorflow';
import type { FusionCalls, MeasureProgress } from './fusion-calls.js';
import { openFusions } from './fusion-maker.js';

interface Work {
  signal: AbortSignal;
  onProgress: (progress: MeasureProgress) => void;
}

/** Measures fusions and stores what came out; an equal request finds it. */
export async function measureFusions(
  { store: storeConfig, spec, codeVersion, threads }: FusionCalls['measureFusions']['input'],
  work: Work,
): Promise<FusionCalls['measureFusions']['output']> {
  const store = await openObjectStore(storeConfig);
  const known = await findFusionQuality(store, spec, codeVersion);
  if (known) return { quality: known.hash };
  const { checkpoint, fusion } = spec;
  const needed = [checkpoint, fusion.generator].filter((address) => address !== undefined);
  const id = contentAddress({ spec, codeVersion });
  const record = await referFor(store, needed, `fusion-quality-${id}`, () =>
    qualityOf(store, { spec, codeVersion, ...(threads ? { threads } : {}) }, work),
  );
  return { quality: (await putFusionQuality(store, record)).hash };
}

async function qualityOf(
  store: ObjectStore,
  { spec, codeVersion, threads }: Omit<FusionCalls['measureFusions']['input'], 'store'>,
  { signal, onProgress }: Work,
): Promise<FusionQuality> {
  const { fusion, count, checkpoint, dimensions } = spec;
  const dataset = await resolveDataset(store, spec.dataset);
  const { sources, generator } = await openFusions(
    store,
    dataset,
    fusion,
    { ...(threads ? { threads } : {}), ...(dimensions ? { dimensions } : {}) },
    signal,
  );
  try {
    const embed = checkpoint && (await embedder(store, checkpoint, threads, { signal, onProgress }));
    const rows = await measure({
      images: sources,
      spec: fusion,
      count,
      ...(generator ? { repair: generator.repair } : {}),
      ...(embed ? { embed } : {}),
      turn: async () => {
        await setImmediate();
        signal.throwIfAborted();
      },
      onFusion: (done, total) => onProgress({ stage: 'fusing', done, total }),
    });
    const { name, source } = dataset.manifest;
    return {
      kind: 'medformer.fusion-quality.v1',
      spec,
      datasetName: name,
      synthetic: source.synthetic,
      rows,
      codeVersion,
    };
  } finally {
    generator?.dispose();
  }
}

/** The model is told what the images are of, the same of fusions as of real ones. */
async function embedder(
  store: ObjectStore,
  address: string,
  threads: number | undefined,
  { signal, onProgress }: Work,
): Promise<(images: readonly FusionSource[]) => Promise<Float32Array[]>> {
  const checkpoint = await loadCheckpoint(store, address);
  await useBackend(threads ? { threads } : {});
  return async (images) => {
    const groups = groupsOf(images);
    let done = 0;
    const rows = await embedImages(
      checkpoint,
      groups.map(({ group }) => group),
      {
        namesOf: (records) => ({
          modality: records.map(({ modality }) => modality),
          bodyPart: records.map(({ bodyPart }) => bodyPart),
        }),
        signal,
        onBatch: (batch) => {
          done += batch;
          onProgress({ stage: 'embedding', done, total: images.length });
        },
      },
    );
    const placed = new Array<Float32Array>(images.length);
    groups
      .flatMap(({ places }) => places)
      .forEach((place, row) => {
        placed[place] = rows[row]!;
      });
    return placed;
  };
}

/** Images of one shape and pixel type together, with their places among all. */
function groupsOf(images: readonly FusionSource[]): { group: PixelGroup; places: number[] }[] {
  const places = new Map<string, number[]>();
  images.forEach(({ record: { shape, pixelType } }, at) => {
    const key = `${pixelType} ${shape.join()}`;
    places.set(key, [...(places.get(key) ?? []), at]);
  });
  return [...places.values()].map((members) => {
    const { record, pixels: first } = images[members[0]!]!;
    const pixels =
      first instanceof Uint16Array
        ? new Uint16Array(members.length * first.length)
        : new Uint8Array(members.length * first.length);
    members.forEach((place, row) => {
      pixels.set(images[place]!.pixels, row * first.length);
    });
    return {
      group: { shape: record.shape, pixels, records: members.map((place) => images[place]!.record) },
      places: members,
    };
  });
}
