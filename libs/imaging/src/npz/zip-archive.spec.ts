import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rng } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeZip } from './encode-npz.js';
import { openZip } from './zip-archive.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zip-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('openZip', () => {
  const rng = Rng.of('zip');
  const members = {
    'a.npy': Uint8Array.from({ length: 3_000_000 }, (_, index) => (index >> 4) & 255),
    'large.npy': new Uint8Array(17 * 1024 * 1024).fill(7).fill(9, 5_000_000),
    'b.npy': Uint8Array.from({ length: 70_000 }, () => rng.integer(256)),
  };

  it('gives every entry whole, large ones in pieces of at most a megabyte', async () => {
    const zip = await open(encodeZip(members));
    for (const [name, bytes] of Object.entries(members)) {
      const pieces: Buffer[] = [];
      for await (const piece of zip.entries.get(name)!.read()) pieces.push(piece);
      const longest = Math.max(...pieces.map(({ length }) => length));
      expect(longest).toBeLessThanOrEqual(name === 'large.npy' ? 1024 * 1024 : bytes.length);
      expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    }
    await zip.close();
  });

  it('reads Zip64 archives: sizes, offsets and the directory in 64 bits', async () => {
    const zip = await open(toZip64(encodeZip({ 'b.npy': members['b.npy'] })));
    const pieces: Buffer[] = [];
    for await (const piece of zip.entries.get('b.npy')!.read()) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(members['b.npy'])).toBe(true);
    await zip.close();
  });

  it('lets a reader leave early', async () => {
    const zip = await open(encodeZip(members));
    for await (const piece of zip.entries.get('a.npy')!.read()) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    await zip.close();
  });

  it('refuses two entries of one name and entries that overlap', async () => {
    const twice = encodeZip({ 'a.npy': Buffer.from('one'), 'b.npy': Buffer.from('two') });
    twice.write('a', twice.lastIndexOf('b.npy'));
    await expect(open(twice)).rejects.toThrow(/x\.npz: a\.npy: expected one entry of this name, found two/);
    const overlapping = encodeZip({ 'a.npy': Buffer.from('one'), 'b.npy': Buffer.from('two') });
    overlapping.writeUInt32LE(3, overlapping.lastIndexOf('b.npy') - 4);
    await expect(open(overlapping)).rejects.toThrow(
      /b\.npy: expected entries one after the other, found overlapping/,
    );
  });

  it('refuses every truncation by its end record', async () => {
    const whole = encodeZip({ 'b.npy': Buffer.from('some content') });
    for (let length = 0; length < whole.length; length += 1) {
      await expect(open(whole.subarray(0, length))).rejects.toThrow(/x\.npz: zip .*: expected .*, found/);
    }
  });
});

async function open(bytes: Uint8Array) {
  await writeFile(join(folder, 'x.npz'), bytes);
  return openZip(join(folder, 'x.npz'), 'x.npz', 1e8);
}

/** A one-entry archive as a writer of Zip64 leaves it (APPNOTE 4.3.14, 4.3.15, 4.5.3). */
function toZip64(zip: Buffer): Buffer {
  const end = zip.length - 22;
  const directoryAt = zip.readUInt32LE(end + 16);
  const entry = Buffer.from(zip.subarray(directoryAt, end));
  const extra = Buffer.alloc(28);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(24, 2);
  for (const [field, from] of [24, 20, 42].entries()) {
    extra.writeBigUInt64LE(BigInt(entry.readUInt32LE(from)), 4 + 8 * field);
    entry.writeUInt32LE(0xffffffff, from);
  }
  entry.writeUInt16LE(extra.length, 30);
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeBigUInt64LE(1n, 24);
  record.writeBigUInt64LE(1n, 32);
  record.writeBigUInt64LE(BigInt(entry.length + extra.length), 40);
  record.writeBigUInt64LE(BigInt(directoryAt), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(directoryAt + entry.length + extra.length), 8);
  locator.writeUInt32LE(1, 16);
  const last = Buffer.from(zip.subarray(end));
  last.writeUInt32LE(0xffffffff, 12);
  last.writeUInt32LE(0xffffffff, 16);
  return Buffer.concat([zip.subarray(0, directoryAt), entry, extra, record, locator, last]);
}
