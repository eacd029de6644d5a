import { randomUUID } from 'node:crypto';
import type { ObjectStore } from '@medformer/object-store';
import { MedformerError, parseRecord } from '@medformer/schema';
import { z } from 'zod';

/**
 * Who may write a run. Each process that trains it claims the next epoch first, by a record that only one can create; from
 * then on all epochs before are over. Checkpoints carry their epoch, and each epoch says from which step it goes on, so that
 * what a process that was over writes late counts for nothing, however long it was frozen between its last look and the
 * write.
 */
export interface RunClaim {
  readonly run: string;
  /** 1 for the first. */
  readonly epoch: number;
  /** @throws ClaimLost when another process has claimed the run since */
  check(): Promise<void>;
}

/** The run is another process's by now. */
export class ClaimLost extends MedformerError {
  constructor(run: string, epoch: number) {
    super('ABORTED', `run ${run}: another process has taken it over from epoch ${epoch}`);
  }
}

const Owner = z.object({ owner: z.string() });
/** `step` null: the epoch ended before it began. */
const Resume = z.object({ owner: z.string(), step: z.number().int().nullable() });

const padded = (epoch: number) => String(epoch).padStart(6, '0');
const epochsOf = (run: string) => `runs/${run}/epochs/`;
const resumesOf = (run: string) => `runs/${run}/resumes/`;
const epochKey = (run: string, epoch: number) => `${epochsOf(run)}${padded(epoch)}.json`;
const resumeKey = (run: string, epoch: number) => `${resumesOf(run)}${padded(epoch)}.json`;

/**
 * Makes this process the only one that may write the run.
 * @param newestStep of the run's checkpoints, asked once no process before can add one that counts; -1: none
 * @throws ClaimLost when yet another process was faster
 */
export async function claimRun(
  store: ObjectStore,
  run: string,
  newestStep: () => Promise<number>,
): Promise<RunClaim> {
  const owner = randomUUID();
  let epoch = 1 + Math.max(0, ...(await epochsIn(store, epochsOf(run))));
  while (!(await created(store, epochKey(run, epoch), { owner }))) epoch += 1;
  const claim: RunClaim = {
    run,
    epoch,
    async check() {
      if (await store.head(epochKey(run, epoch + 1))) throw new ClaimLost(run, epoch);
    },
  };
  // One that was frozen before it said where it goes on from may no longer say so.
  const said = new Set(await epochsIn(store, resumesOf(run)));
  for (let before = 1; before < epoch; before += 1)
    if (!said.has(before)) await created(store, resumeKey(run, before), { owner, step: null });
  const step = await newestStep();
  if (!(await created(store, resumeKey(run, epoch), { owner, step }))) throw new ClaimLost(run, epoch);
  return claim;
}

/** Up to which step checkpoints of an epoch count: where the epochs after it went on from. */
export async function lastStepOf(
  store: ObjectStore,
  run: string,
  oldest: number,
): Promise<(epoch: number) => number> {
  const resumed: { epoch: number; step: number }[] = [];
  for (const epoch of await epochsIn(store, resumesOf(run))) {
    if (epoch <= oldest) continue;
    const key = resumeKey(run, epoch);
    const { step } = parseRecord(Resume, JSON.parse((await store.get(key)).toString('utf8')), key);
    if (step !== null) resumed.push({ epoch, step });
  }
  return (epoch) =>
    Math.min(
      Number.POSITIVE_INFINITY,
      ...resumed.filter((each) => each.epoch > epoch).map(({ step }) => step),
    );
}

async function epochsIn(store: ObjectStore, prefix: string): Promise<number[]> {
  const epochs: number[] = [];
  for await (const { key } of store.list(prefix))
    epochs.push(Number(key.slice(prefix.length, -'.json'.length)));
  return epochs;
}

/** Whether it is this owner's: a store may report its own repeated write as another's. */
async function created(
  store: ObjectStore,
  key: string,
  value: { owner: string; step?: number | null },
): Promise<boolean> {
  const bytes = Buffer.from(JSON.stringify(value));
  if ((await store.put(key, bytes, { ifAbsent: true, contentType: 'application/json' })) === 'created')
    return true;
  const { owner } = parseRecord(Owner, JSON.parse((await store.get(key)).toString('utf8')), key);
  return owner === value.owner;
}
