import type { ErrorCode } from '@medformer/schema';

/** What travels to the child, by Node's IPC channel in structured-clone form. */
export type ToChild =
  | { type: 'call'; id: number; name: string; input: unknown }
  | { type: 'cancel'; id: number; code: ErrorCode; message: string };

/** What travels back. `ready` comes first, then per call any number of `progress` and one end. */
export type ToParent =
  | { type: 'ready' }
  | { type: 'progress'; id: number; event: unknown }
  | { type: 'output'; id: number; output: unknown }
  | { type: 'failure'; id: number; code: ErrorCode; message: string; stack: string };
