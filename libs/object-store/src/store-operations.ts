import { channel } from 'node:diagnostics_channel';
import { toMedformerError } from '@medformer/schema';
import type { ObjectStore } from './object-store.js';

export type StoreOperationName = 'put' | 'get' | 'head' | 'list' | 'delete' | 'ping';
/** `not-found` is an answer, not a failure. */
export type StoreOutcome = 'ok' | 'not-found' | 'cancelled' | 'failed';

/** One operation that ended. */
export interface StoreOperation {
  operation: StoreOperationName;
  outcome: StoreOutcome;
  /** What the caller waited; of `list` for all of its pages, without what the caller did between them. */
  seconds: number;
}

const ended = channel('medformer.store-operation');

/** Tells of every operation of every store of this process, until the function that it returns is called. */
export function onStoreOperation(listener: (operation: StoreOperation) => void): () => void {
  const receive = (message: unknown) => listener(message as StoreOperation);
  ended.subscribe(receive);
  return () => void ended.unsubscribe(receive);
}

/** Passes on what a child process did, as if this one had done it. */
export function publishStoreOperation(operation: StoreOperation): void {
  ended.publish(operation);
}

/** The same store, whose operations `onStoreOperation` tells. */
export function observedStore(store: ObjectStore): ObjectStore {
  return {
    put: (key, bytes, options) => observe('put', () => store.put(key, bytes, options)),
    get: (key, options) => observe('get', () => store.get(key, options)),
    head: (key) => observe('head', () => store.head(key)),
    list: (prefix) => observeList(store.list(prefix)),
    delete: (key) => observe('delete', () => store.delete(key)),
    ping: () => observe('ping', () => store.ping()),
    // Computed here, without the store.
    ...(store.presignPut ? { presignPut: store.presignPut.bind(store) } : {}),
  };
}

async function observe<Result>(operation: StoreOperationName, run: () => Promise<Result>): Promise<Result> {
  const begun = performance.now();
  let outcome: StoreOutcome = 'ok';
  try {
    return await run();
  } catch (thrown) {
    outcome = outcomeOf(thrown);
    throw thrown;
  } finally {
    publish(operation, outcome, performance.now() - begun);
  }
}

async function* observeList<Item>(items: AsyncIterable<Item>): AsyncIterable<Item> {
  const iterator = items[Symbol.asyncIterator]();
  let waitedMs = 0;
  let outcome: StoreOutcome = 'ok';
  try {
    for (;;) {
      const begun = performance.now();
      const next = await iterator.next().finally(() => {
        waitedMs += performance.now() - begun;
      });
      if (next.done) return;
      yield next.value;
    }
  } catch (thrown) {
    outcome = outcomeOf(thrown);
    throw thrown;
  } finally {
    // A caller that stops early ends the listing too.
    await iterator.return?.();
    publish('list', outcome, waitedMs);
  }
}

function publish(operation: StoreOperationName, outcome: StoreOutcome, ms: number): void {
  if (ended.hasSubscribers) publishStoreOperation({ operation, outcome, seconds: ms / 1000 });
}

function outcomeOf(thrown: unknown): StoreOutcome {
  const { code } = toMedformerError(thrown);
  if (code === 'NOT_FOUND') return 'not-found';
  return code === 'CANCELLED' || code === 'DEADLINE_EXCEEDED' ? 'cancelled' : 'failed';
}
