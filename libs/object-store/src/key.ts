import { MedformerError } from '@medformer/schema';
import { MAX_OBJECT_BYTES } from './object-store.js';

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._@=+-]*$/;
const MAX_KEY_LENGTH = 1024;

/** @throws MedformerError INVALID_ARGUMENT unless `key` is a key as ObjectStore defines it. */
export function checkKey(key: string): void {
  if (key.length <= MAX_KEY_LENGTH && key.split('/').every((segment) => SEGMENT.test(segment))) return;
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `object key ${JSON.stringify(key.slice(0, 200))} is not allowed`,
  );
}

/** A prefix is the beginning of some key: its last segment may be cut anywhere, also to nothing. */
export function checkPrefix(prefix: string): void {
  const whole = prefix === '' || prefix.endsWith('/') ? `${prefix}x` : prefix;
  checkKey(whole);
}

/** @throws MedformerError INVALID_ARGUMENT for an object that does not fit in one PUT. */
export function checkSize(key: string, bytes: Uint8Array): void {
  if (bytes.byteLength <= MAX_OBJECT_BYTES) return;
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `object ${key}: expected at most ${MAX_OBJECT_BYTES} bytes, found ${bytes.byteLength}`,
  );
}
