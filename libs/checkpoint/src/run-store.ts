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
import { lastStepOf } from './run-claim.js';

const PREFIX = 'runs/';
const RUN_KEY = /^runs\/([0-9a-f]{64})\/(.*)$/;

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

export interface ListedRun {
  run: string;
  /** Key of what its newest claimant last said. */
  progress?: string;
  hasCheckpoints: boolean;
  cancelled: boolean;
}

/** All runs that were ever started, in id order, from one listing. */
export async function listRuns(store: ObjectStore): Promise<ListedRun[]> {
  const runs = new Map<string, ListedRun & { known?: true }>();
  for await (const { key } of store.list(PREFIX)) {
    const [, run, file] = RUN_KEY.exec(key) ?? [];
    if (run === undefined || file === undefined) continue;
    const listed = runs.get(run) ?? { run, hasCheckpoints: false, cancelled: false };
    if (file === 'spec.json') listed.known = true;
    else if (file === 'cancelled.json') listed.cancelled = true;
    else if (file.startsWith('progress/')) listed.progress = key;
    else if (file.startsWith('checkpoints/')) listed.hasCheckpoints = true;
    runs.set(run, listed);
  }
  return [...runs.values()].flatMap(({ known, ...listed }) => (known ? [listed] : []));
}

const cancelledKey = (run: string) => `${PREFIX}${run}/cancelled.json`;

/** Remembers that somebody asked for the run to stop, until it is started again. */
export async function markCancelled(store: ObjectStore, run: string): Promise<void> {
  await store.put(cancelledKey(run), Buffer.from('{}'), { contentType: 'application/json' });
}

export async function forgetCancelled(store: ObjectStore, run: string): Promise<void> {
  await store.delete(cancelledKey(run));
}

export async function isCancelled(store: ObjectStore, run: string): Promise<boolean> {
  return (await store.head(cancelledKey(run))) !== undefined;
}

const Pointer = z.object({ checkpoint: ContentHash });

export interface CheckpointPointer {
  step: number;
  /** Content address of the CheckpointRecord. */
  checkpoint: string;
  /** The claim under which it was written; 0: none. */
  epoch: number;
}

const pointersOf = (run: string) => `${PREFIX}${run}/checkpoints/`;
const POINTER_NAME = /^(\d{9,})(?:-(\d{6,}))?\.json$/;

const pointerKey = (run: string, { step, epoch }: Pick<CheckpointPointer, 'step' | 'epoch'>) =>
  `${pointersOf(run)}${String(step).padStart(9, '0')}${epoch > 0 ? `-${String(epoch).padStart(6, '0')}` : ''}.json`;

/** Makes a checkpoint one of the run's; the run resumes from the last one so named. */
export async function putCheckpointPointer(
  store: ObjectStore,
  run: string,
  pointer: CheckpointPointer,
): Promise<void> {
  const bytes = Buffer.from(canonicalJson({ checkpoint: pointer.checkpoint }));
  await store.put(pointerKey(run, pointer), bytes, { contentType: 'application/json' });
}

export async function deleteCheckpointPointer(
  store: ObjectStore,
  run: string,
  pointer: CheckpointPointer,
): Promise<void> {
  await store.delete(pointerKey(run, pointer));
}

/** The run's checkpoints, in step order. */
export async function listCheckpoints(store: ObjectStore, run: string): Promise<CheckpointPointer[]> {
  return (await sortedPointers(store, run)).counting;
}

/**
 * Those that count, and those that do not: written late by a process whose run was another's by then, or written again
 * since, at the same step, by the process that went on.
 */
export async function sortedPointers(
  store: ObjectStore,
  run: string,
): Promise<Record<'counting' | 'stale', CheckpointPointer[]>> {
  const all: CheckpointPointer[] = [];
  for await (const { key } of store.list(pointersOf(run))) {
    const [, step, epoch = '0'] = POINTER_NAME.exec(key.slice(pointersOf(run).length)) ?? [];
    if (step === undefined) continue;
    const bytes = await store.get(key).catch((thrown) => {
      // The run's process has just removed it, for one that it wrote before.
      if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND') return undefined;
      throw thrown;
    });
    if (!bytes) continue;
    const { checkpoint } = parseRecord(Pointer, JSON.parse(bytes.toString('utf8')), key);
    all.push({ step: Number(step), epoch: Number(epoch), checkpoint });
  }
  if (all.length === 0) return { counting: [], stale: [] };
  const lastStep = await lastStepOf(store, run, Math.min(...all.map(({ epoch }) => epoch)));
  const stale: CheckpointPointer[] = [];
  const bySteps = new Map<number, CheckpointPointer>();
  for (const pointer of all.sort((x, y) => x.step - y.step || x.epoch - y.epoch)) {
    const { step, epoch } = pointer;
    if (step > lastStep(epoch)) stale.push(pointer);
    else {
      const before = bySteps.get(step);
      if (before) stale.push(before);
      bySteps.set(step, pointer);
    }
  }
  return { counting: [...bySteps.values()], stale };
}
