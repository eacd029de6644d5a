import type { SourceFile } from '@medformer/imaging';
import { MAX_OBJECT_BYTES, type ObjectStore } from '@medformer/object-store';
import { badInput, sha256 } from '@medformer/schema';

const PREFIX = 'uploads/';
const URL_LIFETIME_S = 60 * 60;
/** Below this, one call over gRPC is less work than a PUT, a read and a delete. */
const LEAST_BYTES = 64 * 1024;
/** Files fetched at once: up to that many largest objects are in memory. */
const PARALLEL = 4;

/**
 * Files that clients PUT straight into a bucket, `uploads/<SHA-256>`, until an ingest fetches them. They are raw and may
 * name patients: each is removed once it is fetched, and those of abandoned uploads by age.
 */
export class DirectUploads {
  private constructor(
    private readonly store: ObjectStore,
    private readonly presign: NonNullable<ObjectStore['presignPut']>,
  ) {}

  /** Nothing for a store without presigned URLs. */
  static of(store: ObjectStore): DirectUploads | undefined {
    return store.presignPut && new DirectUploads(store, store.presignPut.bind(store));
  }

  /** Where to PUT the file, `arrived` if it is there, nothing for a file that should come another way. */
  async offer({ bytes, sha256 }: SourceFile): Promise<string | 'arrived' | undefined> {
    if (bytes < LEAST_BYTES || bytes > MAX_OBJECT_BYTES) return undefined;
    const arrived = await this.store.head(keyOf(sha256));
    return arrived?.bytes === bytes ? 'arrived' : this.presign(keyOf(sha256), URL_LIFETIME_S);
  }

  /**
   * Hands over those of the files that have arrived, checked, and removes them from the bucket.
   * @throws MedformerError INVALID_ARGUMENT for a file of another size or hash than announced: it is removed as well, so
   * that it can be sent again.
   */
  async fetch(
    files: readonly SourceFile[],
    place: (file: SourceFile, bytes: Buffer) => Promise<void>,
  ): Promise<void> {
    const queue = files.values();
    const worker = async () => {
      for (const file of queue) await this.fetchOne(file, place);
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    for (const hash of new Set(files.map((file) => file.sha256))) {
      if (await this.store.head(keyOf(hash))) await this.store.delete(keyOf(hash));
    }
  }

  async removeOlderThan(milliseconds: number): Promise<void> {
    for await (const { key, lastModified } of this.store.list(PREFIX)) {
      if (Date.now() - lastModified.getTime() > milliseconds) await this.store.delete(key);
    }
  }

  private async fetchOne(
    file: SourceFile,
    place: (file: SourceFile, bytes: Buffer) => Promise<void>,
  ): Promise<void> {
    const key = keyOf(file.sha256);
    const arrived = await this.store.head(key);
    if (!arrived) return;
    const refuse = async (field: string, expected: string, found: string) => {
      await this.store.delete(key);
      throw badInput({ file: file.path, field, expected, found });
    };
    if (arrived.bytes !== file.bytes)
      await refuse('size', `${file.bytes} bytes as announced`, `${arrived.bytes}`);
    const bytes = await this.store.get(key);
    const found = sha256(bytes);
    if (found !== file.sha256) await refuse('content', `SHA-256 ${file.sha256}`, found);
    await place(file, bytes);
  }
}

function keyOf(hash: string): string {
  return `${PREFIX}${hash}`;
}
