import { blobKey, getRecord, type ObjectStore, putBlob, putRecord } from '@medformer/object-store';
import {
  ContentHash,
  canonicalJson,
  FailedStep,
  MedformerError,
  parseRecord,
  type RunSpec,
  runId,
  type StoredTensor,
} from '@medformer/schema';
import { z } from 'zod';
import { forgetLoose, noteLoose } from './loose-blobs.js';
import { encodeTensors, getTensors } from './tensor-blobs.js';

/** What a failed step is kept with, beside what its run says. */
export type FailedStepContent = Pick<
  FailedStep,
  'step' | 'loss' | 'gradientNorm' | 'parts' | 'policies' | 'codes' | 'heads' | 'shapes'
> & { inputs: Tensors; weights: Tensors; optimiser: Tensors };

type Tensors = ReadonlyMap<string, StoredTensor>;

const Pointer = z.object({ failedStep: ContentHash });

const prefixOf = (run: string) => `runs/${run}/failed-steps/`;

/**
 * Keeps a step that failed: its tensors first, then the record that names them, then the run's pointer.
 * @returns the record's content address; the same step gives the same address
 */
export async function putFailedStep(
  store: ObjectStore,
  spec: RunSpec,
  { inputs, weights, optimiser, ...content }: FailedStepContent,
): Promise<string> {
  const run = runId(spec);
  const metadata = { format: 'medformer', run, 'failed-step': String(content.step) };
  const put = async (tensors: Tensors) => {
    const blobs = [];
    for (const bytes of encodeTensors(tensors, metadata)) blobs.push(await putBlob(store, bytes));
    return blobs;
  };
  const record: FailedStep = {
    kind: 'medformer.failed-step.v1',
    run,
    dataset: spec.dataset,
    codeVersion: spec.codeVersion,
    seed: spec.seed,
    ...content,
    inputs: await put(inSlices(inputs)),
    weights: await put(weights),
    optimiser: await put(optimiser),
  };
  const failedStep = await putRecord(store, record);
  await store.put(
    `${prefixOf(run)}${String(content.step).padStart(9, '0')}.json`,
    Buffer.from(canonicalJson({ failedStep })),
    { contentType: 'application/json' },
  );
  // It may stand on the list of a removal that a crash cut short.
  await forgetLoose(store, run, failedStep);
  return failedStep;
}

/**
 * Removes all of a run's failed steps but the `keep` written last, with their tensors. What a crash leaves of one goes with
 * the run's next pruning of checkpoints.
 */
export async function pruneFailedSteps(store: ObjectStore, run: string, keep: number): Promise<void> {
  const byAge = (await pointersOf(store, run)).sort((x, y) => +x.lastModified - +y.lastModified);
  for (const { key } of byAge.slice(0, -keep)) {
    const failedStep = await pointedTo(store, key);
    const { inputs, weights, optimiser } = await getRecord(store, FailedStep, failedStep, 'failed step');
    const blobs = [failedStep, ...[...inputs, ...weights, ...optimiser].map(({ sha256 }) => sha256)];
    await noteLoose(store, run, failedStep, blobs);
    await store.delete(key);
    for (const blob of blobs) await store.delete(blobKey(blob));
    await forgetLoose(store, run, failedStep);
  }
}

/** A failed step with its tensors. @throws MedformerError NOT_FOUND, DATA_LOSS, INVALID_ARGUMENT for another record */
export async function loadFailedStep(
  store: ObjectStore,
  failedStep: string,
): Promise<{
  record: FailedStep;
  inputs: Map<string, StoredTensor>;
  weights: Map<string, StoredTensor>;
  optimiser: Map<string, StoredTensor>;
}> {
  parseRecord(ContentHash, failedStep, 'failed step');
  const record = await getRecord(store, FailedStep, failedStep, 'failed step');
  const tensors = (blobs: FailedStep['inputs']) => getTensors(store, blobs, `failed step ${failedStep}`);
  return {
    record,
    inputs: joined(await tensors(record.inputs)),
    weights: await tensors(record.weights),
    optimiser: await tensors(record.optimiser),
  };
}

/** Address of the run's last failed step. @throws MedformerError FAILED_PRECONDITION where no step of it failed */
export async function lastFailedStep(store: ObjectStore, run: string): Promise<string> {
  const last = (await pointersOf(store, run)).at(-1);
  if (last === undefined) throw new MedformerError('FAILED_PRECONDITION', `run ${run}: has no failed step`);
  return pointedTo(store, last.key);
}

/** The run's pointers, by step. */
async function pointersOf(store: ObjectStore, run: string) {
  const pointers: { key: string; lastModified: Date }[] = [];
  for await (const pointer of store.list(prefixOf(parseRecord(ContentHash, run, 'run'))))
    pointers.push(pointer);
  return pointers.sort((x, y) => (x.key < y.key ? -1 : 1));
}

async function pointedTo(store: ObjectStore, key: string): Promise<string> {
  return parseRecord(Pointer, JSON.parse((await store.get(key)).toString('utf8')), key).failedStep;
}

/** Bytes of a slice: far below what an object may hold. */
const SLICE_BYTES = 32 * 1024 * 1024;

/** Tensors that a store could not hold as one object, cut along their first axis: `<name>@<place>`. */
function inSlices(tensors: Tensors): Map<string, StoredTensor> {
  const slices = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape, data }] of tensors) {
    const [rows = 1, ...rest] = shape;
    const size = data.length / rows;
    const count = Math.max(1, Math.ceil(data.byteLength / SLICE_BYTES));
    const step = Math.max(1, Math.ceil(rows / count));
    if (count === 1) slices.set(name, { dtype, shape, data });
    else
      for (let from = 0; from < rows; from += step) {
        const to = Math.min(rows, from + step);
        slices.set(`${name}@${String(from).padStart(9, '0')}`, {
          dtype,
          shape: [to - from, ...rest],
          data: data.subarray(from * size, to * size),
        });
      }
  }
  return slices;
}

function joined(slices: Tensors): Map<string, StoredTensor> {
  const parts = new Map<string, StoredTensor[]>();
  for (const name of [...slices.keys()].sort()) {
    const whole = name.replace(/@\d+$/, '');
    parts.set(whole, [...(parts.get(whole) ?? []), slices.get(name)!]);
  }
  return new Map([...parts].map(([name, found]) => [name, found.length === 1 ? found[0]! : concat(found)]));
}

function concat(parts: readonly StoredTensor[]): StoredTensor {
  const { dtype, shape, data: first } = parts[0]!;
  const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0);
  const length = parts.reduce((sum, { data }) => sum + data.length, 0);
  const data = new (first.constructor as new (length: number) => StoredTensor['data'])(length);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { dtype, shape: [rows, ...shape.slice(1)], data };
}
