/** One stored object as listings show it. */
export interface ObjectInfo {
  key: string;
  bytes: number;
  lastModified: Date;
}

/**
 * Where every artefact lives: flat keys with forward slashes, whole-object writes, nothing else.
 * Both implementations (S3, filesystem) pass the same contract spec.
 */
export interface ObjectStore {
  /**
   * Writes the whole object or nothing. With `ifAbsent` an existing object stays untouched and `exists` is
   * returned (S3: `If-None-Match: *`).
   */
  put(key: string, bytes: Uint8Array, options?: { ifAbsent?: boolean; contentType?: string }): Promise<'created' | 'exists'>;
  /** @throws MedformerError NOT_FOUND naming the key. */
  get(key: string, options?: { signal?: AbortSignal }): Promise<Buffer>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Every object whose key starts with `prefix`, in key order. */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  delete(key: string): Promise<void>;
  /** Resolves when the store answers; used by readiness. @throws MedformerError UNAVAILABLE */
  ping(): Promise<void>;
}
