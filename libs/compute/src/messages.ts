import type { StoreOperation } from '@medformer/object-store';
import type { ErrorCode } from '@medformer/schema';
import type { Vitals } from './vitals.js';

/** What travels to the child, by Node's IPC channel in structured-clone form. */
export type ToChild =
  | { type: 'call'; id: number; name: string; input: unknown }
  | { type: 'cancel'; id: number; code: ErrorCode; message: string };

/** What travels back. `ready` comes first, then per call any number of `progress` and one end; `vitals` come between. */
export type ToParent =
  | { type: 'ready' }
  | { type: 'vitals'; vitals: Vitals; storeOperations: StoreOperation[] }
  | { type: 'progress'; id: number; event: unknown }
  | { type: 'output'; id: number; output: unknown }
  | {
      type: 'failure';
      id: number;
      code: ErrorCode;
      message: string;
      logged: string | undefined;
      stack: string;
    };
