/** The closed list of failure codes; the same words as gRPC's status codes, so that one map suffices. */
export const ERROR_CODES = [
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** The one error the project throws on purpose. Its message is safe to send to a caller. */
export class MedformerError extends Error {
  override readonly name = 'MedformerError';
  /** What a log may say in place of a message that quotes the caller's input: a path can name a patient. */
  readonly logged: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; logged?: string | undefined } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.logged = options.logged;
  }
}

/** What a refusal of an input names. No field may carry a patient's value. */
export interface BadInput {
  /** Path inside the upload or the archive, as the caller named it. */
  file: string;
  /** Member, header field or column, e.g. `train_images` or `dim[1]`. */
  field: string;
  expected: string;
  found: string;
}

/** An `INVALID_ARGUMENT` error that names file, field, expected and found. */
export function badInput(what: BadInput, options?: { cause?: unknown }): MedformerError {
  return new MedformerError(
    'INVALID_ARGUMENT',
    `${what.file}: ${what.field}: expected ${what.expected}, found ${what.found}`,
    { ...options, logged: `input refused at ${what.field}` },
  );
}

/** Any thrown value as a MedformerError; aborts become CANCELLED, timeouts DEADLINE_EXCEEDED, strangers INTERNAL. */
export function toMedformerError(thrown: unknown): MedformerError {
  if (thrown instanceof MedformerError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new MedformerError('CANCELLED', 'cancelled by the caller', { cause: thrown });
  }
  if (thrown instanceof Error && thrown.name === 'TimeoutError') {
    return new MedformerError('DEADLINE_EXCEEDED', 'the deadline passed', { cause: thrown });
  }
  return new MedformerError('INTERNAL', 'internal error', { cause: thrown });
}
