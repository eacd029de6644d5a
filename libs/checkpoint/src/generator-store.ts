import { blobKey, getRecord, type ObjectStore, putBlob, putRecord } from '@medformer/object-store';
import {
  ContentHash,
  canonicalJson,
  contentAddress,
  type GeneratorEntry,
  GeneratorRecord,
  type GeneratorSpec,
  parseRecord,
  type Runtime,
  type StoredTensor,
  sha256,
} from '@medformer/schema';
import { z } from 'zod';
import { forgetLoose, noteLoose, removeLoose } from './loose-blobs.js';
import { isReferred } from './references.js';
import { encodeTensors, getTensors } from './tensor-blobs.js';

/** What a generator is trained from; equal ones are one run. */
export interface GeneratorRunId {
  spec: GeneratorSpec;
  /** Address of the manifest. */
  dataset: string;
  codeVersion: string;
}

/** What a generator's training hands over to be kept. */
export interface GeneratorContent {
  step: number;
  channels: number;
  weights: ReadonlyMap<string, StoredTensor>;
  optimiser: ReadonlyMap<string, StoredTensor>;
  history: GeneratorEntry[];
  runtime?: Runtime;
}

export interface GeneratorPointer {
  /** Id of the training. */
  run: string;
  step: number;
  /** Content address of the GeneratorRecord. */
  generator: string;
}

/** Long enough for any write to end: what is noted longer was left by a crash. */
const LOOSE_LIFETIME_MS = 60 * 60 * 1000;
const PREFIX = 'generators/';
const KEY = /^generators\/([0-9a-f]{64})\/(\d{9})\.json$/;
const Pointer = z.object({ generator: ContentHash });

export function generatorRunId({ spec, dataset, codeVersion }: GeneratorRunId): string {
  return contentAddress({ kind: 'medformer.generator-run.v1', spec, dataset, codeVersion });
}

/**
 * Writes the state of a generator's training: tensors, then the record that names them, then the pointer; then earlier
 * states go, unless fusions were made with them. Killed in between, the training still has its state before.
 * @returns the record's content address; the same state gives the same address
 */
export async function writeGenerator(
  store: ObjectStore,
  id: GeneratorRunId,
  { step, channels, weights, optimiser, history, runtime }: GeneratorContent,
): Promise<string> {
  const run = generatorRunId(id);
  const metadata = { format: 'medformer', run, step: String(step) };
  const files = { weights: encodeTensors(weights, metadata), optimiser: encodeTensors(optimiser, metadata) };
  const described = (bytes: Buffer) => ({ sha256: sha256(bytes), bytes: bytes.byteLength });
  const record: GeneratorRecord = {
    kind: 'medformer.generator.v1',
    ...id,
    step,
    channels,
    weights: files.weights.map(described),
    optimiser: files.optimiser.map(described),
    ...(runtime ? { runtime } : {}),
    history,
  };
  const generator = contentAddress(record);
  await noteLoose(store, run, generator, blobsOf(generator, record));
  for (const bytes of [...files.weights, ...files.optimiser]) await putBlob(store, bytes);
  await putRecord(store, record);
  await store.put(pointerKey(run, step), Buffer.from(canonicalJson({ generator })), {
    contentType: 'application/json',
  });
  await forgetLoose(store, run, generator);
  await pruneGenerators(store, run);
  return generator;
}

/** @throws MedformerError NOT_FOUND, DATA_LOSS when bytes do not give their hash, INVALID_ARGUMENT for another record. */
export async function loadGenerator(
  store: ObjectStore,
  generator: string,
): Promise<{ record: GeneratorRecord; weights: Map<string, StoredTensor> }> {
  const record = await getRecord(store, GeneratorRecord, generator, 'generator');
  return { record, weights: await getTensors(store, record.weights, `generator ${generator} weights`) };
}

/** The newest state of a training with everything a resume needs; undefined where there is none. */
export async function loadNewestGenerator(
  store: ObjectStore,
  run: string,
): Promise<
  | {
      generator: string;
      record: GeneratorRecord;
      weights: Map<string, StoredTensor>;
      optimiser: Map<string, StoredTensor>;
    }
  | undefined
> {
  const newest = (await listGenerators(store, run)).at(-1);
  if (!newest) return undefined;
  const { generator } = newest;
  const { record, weights } = await loadGenerator(store, generator);
  const optimiser = await getTensors(store, record.optimiser, `generator ${generator} optimiser`);
  return { generator, record, weights, optimiser };
}

/** The stored states of one training or of all, by training, then by step. */
export async function listGenerators(store: ObjectStore, run?: string): Promise<GeneratorPointer[]> {
  const found: GeneratorPointer[] = [];
  for await (const { key } of store.list(run === undefined ? PREFIX : `${PREFIX}${run}/`)) {
    const [, of, step] = KEY.exec(key) ?? [];
    if (!of || !step) continue;
    const { generator } = parseRecord(Pointer, JSON.parse((await store.get(key)).toString('utf8')), key);
    found.push({ run: of, step: Number(step), generator });
  }
  return found.sort((a, b) => (a.run === b.run ? a.step - b.step : a.run < b.run ? -1 : 1));
}

/** Removes all states but the newest and those that something refers to: the pointer first, then what it names. */
async function pruneGenerators(store: ObjectStore, run: string): Promise<void> {
  const pointers = await listGenerators(store, run);
  for (const { step, generator } of pointers.slice(0, -1)) {
    if (await isReferred(store, generator)) continue;
    const blobs = blobsOf(generator, await getRecord(store, GeneratorRecord, generator, 'generator'));
    await noteLoose(store, run, generator, blobs);
    await store.delete(pointerKey(run, step));
    for (const blob of blobs) await store.delete(blobKey(blob));
    await forgetLoose(store, run, generator);
  }
  await removeLoose(store, run, LOOSE_LIFETIME_MS, async () => {
    const used = new Set<string>();
    for (const { generator } of await listGenerators(store, run))
      for (const blob of blobsOf(generator, await getRecord(store, GeneratorRecord, generator, 'generator')))
        used.add(blob);
    return used;
  });
}

/** The record first: while it is there, so is what it names. */
function blobsOf(generator: string, { weights, optimiser }: GeneratorRecord): string[] {
  return [generator, ...[...weights, ...optimiser].map((blob) => blob.sha256)];
}

const pointerKey = (run: string, step: number) => `${PREFIX}${run}/${String(step).padStart(9, '0')}.json`;
