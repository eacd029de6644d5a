import type { ObjectStore } from '@medformer/object-store';
import {
  ContentHash,
  canonicalJson,
  LoadReport,
  MedformerError,
  parseRecord,
  RunSpec,
  runId,
} from '@medformer/schema';
import { z } from 'zod';

const PREFIX = 'runs/';
const SPEC_KEY = /^runs\/([0-9a-f]{64})\/spec\.json$/;

/** Remembers what a run computes and keeps, under the run's id; what it keeps is what was said last. */
export async function putRunSpec(store: ObjectStore, spec: RunSpec): Promise<string> {
  const run = runId(spec);
  await store.put(`${PREFIX}${run}/spec.json`, Buffer.from(canonicalJson(spec)), {
    contentType: 'application/json',
  });
  return run;
}

/** @throws MedformerError NOT_FOUND for a run nobody started; INVALID_ARGUMENT for an id of another form. */
export async function getRunSpec(store: ObjectStore, run: string): Promise<RunSpec> {
  parseRecord(ContentHash, run, 'run');
  const bytes = await store.get(`${PREFIX}${run}/spec.json`).catch((thrown) => {
    if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND') {
      throw new MedformerError('NOT_FOUND', `run ${run}: not in the store`, { cause: thrown });
    }
    throw thrown;
  });
  return parseRecord(RunSpec, JSON.parse(bytes.toString('utf8')), `run ${run}`);
}

/** Remembers what a run took over from the checkpoint it starts from. */
export async function putLoadReport(store: ObjectStore, run: string, report: LoadReport): Promise<void> {
  await store.put(loadReportKey(run), Buffer.from(canonicalJson(report)), {
    contentType: 'application/json',
  });
}

/** Undefined for a run that starts from its seed, or has not started. */
export async function getLoadReport(store: ObjectStore, run: string): Promise<LoadReport | undefined> {
  const key = loadReportKey(run);
  if (!(await store.head(key))) return undefined;
  return parseRecord(LoadReport, JSON.parse((await store.get(key)).toString('utf8')), key);
}

const loadReportKey = (run: string) => `${PREFIX}${run}/loaded.json`;

/** Ids of all runs that were ever started, in id order. */
export async function listRuns(store: ObjectStore): Promise<string[]> {
  const runs: string[] = [];
  for await (const { key } of store.list(PREFIX)) {
    const [, run] = SPEC_KEY.exec(key) ?? [];
    if (run) runs.push(run);
  }
  return runs;
}

const Pointer = z.object({ checkpoint: ContentHash });

export interface CheckpointPointer {
  step: number;
  /** Content address of the CheckpointRecord. */
  checkpoint: string;
}

const pointerKey = (run: string, step: number) =>
  `${PREFIX}${run}/checkpoints/${String(step).padStart(9, '0')}.json`;

/** Makes a checkpoint one of the run's; the run resumes from the last one so named. */
export async function putCheckpointPointer(
  store: ObjectStore,
  run: string,
  pointer: CheckpointPointer,
): Promise<void> {
  const bytes = Buffer.from(canonicalJson({ checkpoint: pointer.checkpoint }));
  await store.put(pointerKey(run, pointer.step), bytes, { contentType: 'application/json' });
}

export async function deleteCheckpointPointer(store: ObjectStore, run: string, step: number): Promise<void> {
  await store.delete(pointerKey(run, step));
}

/** The run's checkpoints, in step order. */
export async function listCheckpoints(store: ObjectStore, run: string): Promise<CheckpointPointer[]> {
  const prefix = `${PREFIX}${run}/checkpoints/`;
  const pointers: CheckpointPointer[] = [];
  for await (const { key } of store.list(prefix)) {
    const step = Number(key.slice(prefix.length, -'.json'.length));
    const { checkpoint } = parseRecord(Pointer, JSON.parse((await store.get(key)).toString('utf8')), key);
    pointers.push({ step, checkpoint });
  }
  return pointers;
}
