/**
 * The bytes of numbers in this machine's order, which is little-endian, aligned for typed arrays: the same memory where
 * that will do.
 */
export function machineWords(bytes: Uint8Array, word: number, bigEndian: boolean): Uint8Array {
  if (!bigEndian && bytes.byteOffset % word === 0) return bytes;
  const own = Buffer.from(Uint8Array.prototype.slice.call(bytes).buffer);
  if (!bigEndian) return own;
  if (word === 2) own.swap16();
  if (word === 4) own.swap32();
  if (word === 8) own.swap64();
  return own;
}
