import { createHash } from 'node:crypto';

/**
 * JSON with sorted keys and no white space: equal records give equal bytes, so that a hash can name them.
 * `undefined` members are left out; NaN and infinities are refused, because JSON would turn them into null.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (key, member: unknown) => {
    if (typeof member === 'number' && !Number.isFinite(member)) {
      throw new TypeError(`${key || 'value'}: ${member} has no JSON form`);
    }
    if (member === null || typeof member !== 'object' || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([x], [y]) => (x < y ? -1 : x > y ? 1 : 0)));
  });
}

/** SHA-256 as 64 lower-case hex digits. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The content address of a record: the SHA-256 of its canonical JSON. */
export function contentAddress(record: unknown): string {
  return sha256(canonicalJson(record));
}
