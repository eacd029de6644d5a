import { setImmediate } from 'node:timers/promises';
import { referFor } from '@medformer/checkpoint';
import {
  type DatasetDescription,
  type DatasetImage,
  findIngested,
  type StoredDataset,
  writeDataset,
} from '@medformer/dataset';
import { contentAddress, type FusionSpec } from '@medformer/schema';
import type { FuseProgress, FusionCalls } from './fusion-calls.js';
import { FusionMaker } from './fusion-maker.js';

/** Progress is told this often, and the signal looked at after every fusion. */
const PROGRESS_EVERY = 16;

/**
 * Writes fusions as a data set of their own, whole or not at all. The same data, spec and count give the same data set;
 * one that is there is found and nothing is made.
 */
export async function fuseDataset(
  input: FusionCalls['fuseDataset']['input'],
  { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: FuseProgress) => void },
): Promise<FusionCalls['fuseDataset']['output']> {
  const { name, count, spec, codeVersion } = input;
  const maker = await FusionMaker.open(input, signal);
  try {
    const { store, dataset } = maker;
    const description = descriptionOf(dataset, spec, name, count, codeVersion);
    const known = await findIngested(store, {
      name,
      description: description.description,
      digest: description.source.digest,
      codeVersion,
    });
    if (known) return { dataset: known.hash, images: count, created: false };
    const write = () =>
      writeDataset(store, description, fusions(maker, count, signal, onProgress), { signal });
    const { hash, created } = spec.generator
      ? await referFor(store, [spec.generator], `dataset-${description.source.digest}`, write)
      : await write();
    return { dataset: hash, images: count, created };
  } finally {
    maker.dispose();
  }
}

async function* fusions(
  maker: FusionMaker,
  count: number,
  signal: AbortSignal,
  onProgress: (progress: FuseProgress) => void,
): AsyncIterable<DatasetImage> {
  for (let index = 0; index < count; index += 1) {
    await setImmediate();
    signal.throwIfAborted();
    const { record, pixels } = maker.at(index);
    yield { ...record, pixels };
    if ((index + 1) % PROGRESS_EVERY === 0 || index + 1 === count)
      onProgress({ fusions: index + 1, of: count });
  }
}

function descriptionOf(
  { manifest, hash }: StoredDataset,
  spec: FusionSpec,
  name: string,
  count: number,
  codeVersion: string,
): DatasetDescription {
  const { deidentification, normalisation, labelSpaces } = manifest;
  return {
    name,
    description: `${count} fusions of ${spec.sources.join(' or ')} images of ${manifest.name}, ${spec.mask.strategy}${spec.generator ? ', repaired' : ''}`,
    source: {
      format: 'brainfuse',
      synthetic: true,
      digest: contentAddress({ dataset: hash, spec, count }),
      files: 0,
      bytes: 0,
    },
    fusion: { dataset: hash, spec },
    deidentification: {
      profile: deidentification.profile,
      notes: [...deidentification.notes, 'fused: no image is of one patient, and none names a pseudonym'],
    },
    normalisation,
    splits: { policy: 'given', seed: spec.seed },
    labelSpaces,
    codeVersion,
  };
}
