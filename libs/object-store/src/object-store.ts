/** One stored object as listings show it. */
export interface ObjectInfo {
  key: string;
  bytes: number;
  lastModified: Date;
}

/** The largest object a store takes: one S3 PUT; anything larger is sharded by its writer. */
export const MAX_OBJECT_BYTES = 64 * 1024 * 1024;

export interface GetOptions {
  signal?: AbortSignal | undefined;
  /** Bytes from `from` on, `length` of them, 1 at least. */
  range?: { from: number; length: number };
}

/**
 * Where every artefact lives: flat keys with forward slashes, whole-object writes, nothing else.
 * Both implementations (S3, filesystem) pass the same contract spec.
 *
 * A key is 1 to 1024 bytes of segments `[A-Za-z0-9_][A-Za-z0-9._@=+-]*` joined by `/`, so that every key is also
 * a safe relative path. Do not use a key that is another key's folder (`a` beside `a/b`): the filesystem refuses it with
 * FAILED_PRECONDITION. Every method throws MedformerError INVALID_ARGUMENT for what is no key, and UNAVAILABLE when the
 * store does not answer.
 */
export interface ObjectStore {
  /**
   * Writes the whole object or nothing. With `ifAbsent` an existing object stays untouched and `exists` is
   * returned (S3: `If-None-Match: *`).
   * @throws MedformerError INVALID_ARGUMENT above MAX_OBJECT_BYTES.
   */
  put(
    key: string,
    bytes: Uint8Array,
    options?: { ifAbsent?: boolean; contentType?: string },
  ): Promise<'created' | 'exists'>;
  /**
   * The whole object, or of it what lies in `range`: fewer bytes where it ends before.
   * @throws MedformerError NOT_FOUND naming the key; CANCELLED when the signal fires.
   */
  get(key: string, options?: GetOptions): Promise<Buffer>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Every object whose key starts with `prefix`, in key order. */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  /** Deleting what is not there succeeds. */
  delete(key: string): Promise<void>;
  /** Resolves when the store answers; used by readiness. @throws MedformerError UNAVAILABLE */
  ping(): Promise<void>;
  /**
   * A URL to which anyone may PUT this one object for so many seconds, 1 to 604800, without credentials; a store without
   * such URLs lacks the method. What arrives there is unchecked, in size too.
   */
  presignPut?(key: string, seconds: number): Promise<string>;
}
