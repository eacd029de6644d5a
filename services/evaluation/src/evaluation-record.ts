import { newestHashes, type ObjectStore } from '@medformer/object-store';
import {
  ContentHash,
  contentAddress,
  ERROR_CODES,
  EvaluationSpec,
  MedformerError,
  parseRecord,
} from '@medformer/schema';
import { z } from 'zod';

const PREFIX = 'evaluations/';

/** What was asked for. Its address is that of spec and code: the one name of an evaluation. */
const Asked = z.object({
  kind: z.literal('medformer.evaluation.v1'),
  spec: EvaluationSpec,
  codeVersion: z.string(),
  requestedAt: z.iso.datetime(),
});
export type Asked = z.output<typeof Asked>;

/** Which process has it; `space` is the machine and the process namespace that `pid` counts in. */
const Owner = z.object({ space: z.string(), pid: z.int(), instance: z.string() });
export type Owner = z.output<typeof Owner>;

const Told = z.object({
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted']),
  owner: Owner,
  /** The owner says it again and again while it lives. */
  updatedAt: z.iso.datetime(),
  progress: z.object({ stage: z.string(), done: z.number(), total: z.number() }).optional(),
  failure: z.object({ code: z.enum(ERROR_CODES), message: z.string() }).optional(),
});
/** What the process that has an evaluation last said of it. */
export type Told = z.output<typeof Told>;

const keyOf = (id: string, what: 'asked' | 'told' | 'cancel') => `${PREFIX}${id}/${what}.json`;

export function evaluationId({ spec, codeVersion }: Pick<Asked, 'spec' | 'codeVersion'>): string {
  return contentAddress({ spec, codeVersion });
}

/** The first time that it was asked for stays. */
export async function putAsked(store: ObjectStore, id: string, asked: Asked): Promise<void> {
  await putJson(store, keyOf(id, 'asked'), asked, { ifAbsent: true });
}

/** @throws MedformerError INVALID_ARGUMENT for no address, NOT_FOUND for an evaluation that nobody asked for */
export async function getAsked(store: ObjectStore, id: string): Promise<Asked> {
  if (!ContentHash.safeParse(id).success) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `evaluation: expected 64 lower-case hex digits, found ${JSON.stringify(id.slice(0, 80))}`,
    );
  }
  const found = await getJson(store, keyOf(id, 'asked'));
  if (found === undefined) throw new MedformerError('NOT_FOUND', `evaluation ${id}: nobody asked for it`);
  return parseRecord(Asked, found, `evaluation ${id}`);
}

export async function putTold(store: ObjectStore, id: string, told: Told): Promise<void> {
  await putJson(store, keyOf(id, 'told'), told);
}

export async function getTold(store: ObjectStore, id: string): Promise<Told | undefined> {
  const found = await getJson(store, keyOf(id, 'told'));
  return found === undefined ? undefined : parseRecord(Told, found, `evaluation ${id}`);
}

/** Asks the process that has the evaluation to stop; it looks whenever it says that it lives. */
export async function askToCancel(store: ObjectStore, id: string): Promise<void> {
  await putJson(store, keyOf(id, 'cancel'), {});
}

export async function isAskedToCancel(store: ObjectStore, id: string): Promise<boolean> {
  return (await store.head(keyOf(id, 'cancel'))) !== undefined;
}

export async function forgetCancel(store: ObjectStore, id: string): Promise<void> {
  await store.delete(keyOf(id, 'cancel'));
}

/** Newest first. */
export async function listEvaluationIds(store: ObjectStore, limit: number): Promise<string[]> {
  const found = await newestHashes(store, PREFIX, (key) => {
    const [id, file] = key.slice(PREFIX.length).split('/');
    return file === 'asked.json' ? id : undefined;
  });
  return found.slice(0, limit);
}

async function putJson(
  store: ObjectStore,
  key: string,
  value: unknown,
  options: { ifAbsent?: boolean } = {},
): Promise<void> {
  await store.put(key, Buffer.from(JSON.stringify(value)), { contentType: 'application/json', ...options });
}

async function getJson(store: ObjectStore, key: string): Promise<unknown> {
  try {
    return JSON.parse((await store.get(key)).toString('utf8'));
  } catch (thrown) {
    if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND') return undefined;
    throw thrown;
  }
}
