import { createHmac } from 'node:crypto';

/** Dates move back by up to so many days: ten years. */
const MAX_SHIFT_DAYS = 3652;

/** The pseudonym of a patient's identifier under a key: 32 hex digits. Surrounding spaces are no part of it. */
export function pseudonym(key: string, identifier: string): string {
  return createHmac('sha256', key).update(identifier.trim()).digest('hex').slice(0, 32);
}

/** The UID that stands in for another: 2.25 and a UUID of version 8 (RFC 9562) from a keyed hash. */
export function remapUid(key: string, uid: string): string {
  const bytes = keyed(key, 'uid', uid).subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return `2.25.${BigInt(`0x${bytes.toString('hex')}`)}`;
}

/** Days by which all dates of a patient move into the past: 1 to 3652. */
export function shiftDaysOf(key: string, identifier: string): number {
  return 1 + (keyed(key, 'date', identifier.trim()).readUIntBE(0, 6) % MAX_SHIFT_DAYS);
}

/** A name for a file or folder that says nothing of the old one: 16 hex digits. */
export function opaqueName(key: string, name: string): string {
  return keyed(key, 'name', name).toString('hex', 0, 8);
}

/** What an audit record says of the bytes that came in: 64 hex digits. */
export function keyedDigest(key: string, bytes: Uint8Array): string {
  return createHmac('sha256', `digest\0${key}`).update(bytes).digest('hex');
}

function keyed(key: string, purpose: string, value: string): Buffer {
  return createHmac('sha256', key).update(`${purpose}\0${value}`).digest();
}
