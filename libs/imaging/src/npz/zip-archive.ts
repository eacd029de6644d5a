import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { badInput, type MedformerError } from '@medformer/schema';

/*
 * Reads zip archives by their central directory (PKWARE APPNOTE 6.3.10): stored and deflated entries, Zip64. All
 * lengths are checked against the file before anything is allocated, and entries are streamed, so that memory does not
 * grow with what an archive claims.
 */

const END_RECORD = 0x06054b50;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_END_RECORD = 0x06064b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
/** Up to this size an entry is inflated at once, without a stream's detours. */
const AT_ONCE_BYTES = 16 * 1024 * 1024;

/** Beyond this size an entry may not expand more than EXPANSION_LIMIT times; real images stay below 300 times. */
const EXPANSION_FREE_BYTES = 64 * 1024 * 1024;
const EXPANSION_LIMIT = 500;
/** No deflate stream expands more (a length of 258 costs at least 2 bits). */
const DEFLATE_LIMIT = 1032;

export interface ZipEntry {
  name: string;
  /** Uncompressed, as declared and then held to. */
  bytes: number;
  /** True for a symbolic link, whose bytes are the path that it leads to. */
  link?: true;
  /**
   * The entry's bytes, inflated piece by piece.
   * @throws MedformerError INVALID_ARGUMENT when they are more, fewer or other than declared (CRC-32).
   */
  read(): AsyncIterable<Buffer>;
}

export interface ZipArchive {
  entries: Map<string, ZipEntry>;
  close(): Promise<void>;
}

interface Located {
  name: string;
  link: boolean;
  flags: number;
  method: number;
  crc: number;
  compressed: number;
  bytes: number;
  offset: number;
}

/**
 * @param path of the archive on disk.
 * @param file what errors call it.
 * @param maxBytes all entries together may declare.
 * @throws MedformerError INVALID_ARGUMENT for archives that are truncated, overlapping, encrypted, too large or a bomb.
 */
export async function openZip(path: string, file: string, maxBytes: number): Promise<ZipArchive> {
  const handle = await open(path);
  try {
    const reader = new Reader(handle, (await handle.stat()).size, file);
    return { entries: await readEntries(reader, maxBytes), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** As `openZip`, of an archive that is in memory. */
export async function openZipBytes(
  bytes: Uint8Array,
  file: string,
  maxBytes: number,
): Promise<Pick<ZipArchive, 'entries'>> {
  const source: Source = {
    read: async (buffer, offset, length, position) => {
      buffer.set(bytes.subarray(position, position + length), offset);
      return { bytesRead: Math.max(0, Math.min(length, bytes.length - position)) };
    },
  };
  return { entries: await readEntries(new Reader(source, bytes.length, file), maxBytes) };
}

async function readEntries(reader: Reader, maxBytes: number): Promise<Map<string, ZipEntry>> {
  const located = await readDirectory(reader);
  refuseBombs(located, reader, maxBytes);
  const entries = new Map<string, ZipEntry>();
  for (const entry of located) {
    if (entries.has(entry.name)) throw reader.refuse(entry.name, 'one entry of this name', 'two');
    const { name, bytes, link } = entry;
    entries.set(name, { name, bytes, ...(link ? { link } : {}), read: () => readEntry(reader, entry) });
  }
  return entries;
}

/** As much of a FileHandle as is needed. */
interface Source {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
}

class Reader {
  constructor(
    readonly handle: Source,
    readonly size: number,
    readonly file: string,
  ) {}

  async at(position: number, length: number, field: string): Promise<Buffer> {
    if (position < 0 || position + length > this.size) {
      throw this.refuse(field, `${length} bytes at ${position}`, `a file of ${this.size} bytes`);
    }
    const bytes = Buffer.allocUnsafe(length);
    for (let filled = 0; filled < length; ) {
      const { bytesRead } = await this.handle.read(bytes, filled, length - filled, position + filled);
      if (bytesRead === 0) throw this.refuse(field, `${length} bytes at ${position}`, `${filled} bytes`);
      filled += bytesRead;
    }
    return bytes;
  }

  refuse(field: string, expected: string, found: string, cause?: unknown): MedformerError {
    return badInput({ file: this.file, field, expected, found }, { cause });
  }
}

async function readDirectory(reader: Reader): Promise<Located[]> {
  const { count, bytes, offset } = await findDirectory(reader);
  if (bytes > MAX_DIRECTORY_BYTES) {
    throw reader.refuse('zip directory', `at most ${MAX_DIRECTORY_BYTES} bytes`, `${bytes} bytes`);
  }
  const directory = await reader.at(offset, bytes, 'zip directory');
  const entries: Located[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const whole = at + 46 <= bytes && directory.readUInt32LE(at) === DIRECTORY_ENTRY;
    const length = whole
      ? 46 +
        directory.readUInt16LE(at + 28) +
        directory.readUInt16LE(at + 30) +
        directory.readUInt16LE(at + 32)
      : 0;
    if (!whole || at + length > bytes) {
      throw reader.refuse('zip directory', `${count} whole entries`, `${index} and then something else`);
    }
    entries.push(parseEntry(directory.subarray(at, at + length), reader));
    at += length;
  }
  return entries;
}

async function findDirectory(reader: Reader): Promise<{ count: number; bytes: number; offset: number }> {
  const tailBytes = Math.min(reader.size, 22 + 0xffff);
  const tail = await reader.at(reader.size - tailBytes, tailBytes, 'zip end record');
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END_RECORD) end -= 1;
  if (end < 0) {
    throw reader.refuse('zip end record', 'a whole archive with its directory at the end', 'no directory');
  }
  const record = {
    count: tail.readUInt16LE(end + 10),
    bytes: tail.readUInt32LE(end + 12),
    offset: tail.readUInt32LE(end + 16),
  };
  if (end < 20 || tail.readUInt32LE(end - 20) !== ZIP64_LOCATOR) return record;
  const position = safeInteger(tail.readBigUInt64LE(end - 12), reader, 'zip64 locator');
  const zip64 = await reader.at(position, 56, 'zip64 end record');
  if (zip64.readUInt32LE(0) !== ZIP64_END_RECORD) {
    throw reader.refuse('zip64 end record', 'its signature', 'something else');
  }
  return {
    count: safeInteger(zip64.readBigUInt64LE(32), reader, 'zip64 end record'),
    bytes: safeInteger(zip64.readBigUInt64LE(40), reader, 'zip64 end record'),
    offset: safeInteger(zip64.readBigUInt64LE(48), reader, 'zip64 end record'),
  };
}

function parseEntry(entry: Buffer, reader: Reader): Located {
  const nameEnd = 46 + entry.readUInt16LE(28);
  const name = entry.toString('utf8', 46, nameEnd);
  const located: Located = {
    name,
    // Unix' file type in the external attributes.
    link: entry.readUInt32LE(38) >>> 28 === 0xa,
    flags: entry.readUInt16LE(8),
    method: entry.readUInt16LE(10),
    crc: entry.readUInt32LE(16),
    compressed: entry.readUInt32LE(20),
    bytes: entry.readUInt32LE(24),
    offset: entry.readUInt32LE(42),
  };
  const extra = entry.subarray(nameEnd, nameEnd + entry.readUInt16LE(30));
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let field = at + 4;
    const end = Math.min(extra.length, field + extra.readUInt16LE(at + 2));
    for (const key of ['bytes', 'compressed', 'offset'] as const) {
      if (located[key] !== 0xffffffff) continue;
      if (field + 8 > end) throw reader.refuse(name, `its zip64 ${key}`, 'a field cut short');
      located[key] = safeInteger(extra.readBigUInt64LE(field), reader, name);
      field += 8;
    }
  }
  return located;
}

function refuseBombs(entries: Located[], reader: Reader, maxBytes: number): void {
  let total = 0;
  let previousEnd = 0;
  for (const entry of [...entries].sort((x, y) => x.offset - y.offset)) {
    const { name, flags, method, compressed, bytes, offset } = entry;
    if (flags & 1) throw reader.refuse(name, 'an entry without a password', 'an encrypted entry');
    if (method !== 0 && method !== 8) {
      throw reader.refuse(name, 'compression 0 (stored) or 8 (deflate)', `compression ${method}`);
    }
    if (offset < previousEnd) throw reader.refuse(name, 'entries one after the other', 'overlapping entries');
    previousEnd = offset + 30 + compressed;
    if (previousEnd > reader.size) {
      throw reader.refuse(name, `${compressed} bytes at ${offset}`, `a file of ${reader.size} bytes`);
    }
    const expansion = method === 0 ? 1 : bytes > EXPANSION_FREE_BYTES ? EXPANSION_LIMIT : DEFLATE_LIMIT;
    if (bytes > compressed * expansion || (method === 0 && bytes !== compressed)) {
      throw reader.refuse(
        name,
        `at most ${compressed * expansion} bytes from ${compressed} compressed ones`,
        `${bytes} declared`,
      );
    }
    total += bytes;
    if (total > maxBytes) throw reader.refuse(name, `at most ${maxBytes} bytes in all`, `${total} declared`);
  }
}

async function* readEntry(reader: Reader, entry: Located): AsyncIterable<Buffer> {
  const { name, bytes } = entry;
  const header = await reader.at(entry.offset, 30, name);
  if (header.readUInt32LE(0) !== LOCAL_HEADER) throw reader.refuse(name, 'a local header', 'something else');
  const begin = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (entry.method === 8 && bytes > 0 && bytes <= AT_ONCE_BYTES) {
    const whole = inflateAtOnce(await reader.at(begin, entry.compressed, name), reader, entry);
    refuseOthers(crc32(whole), reader, entry);
    yield whole;
    return;
  }
  const compressed = readRange(reader, begin, entry.compressed, name);
  let crc = 0;
  let produced = 0;
  for await (const piece of entry.method === 0 ? compressed : inflate(compressed, reader, name)) {
    produced += piece.length;
    if (produced > bytes) throw reader.refuse(name, `${bytes} bytes as declared`, 'more');
    crc = crc32(piece, crc);
    yield piece;
  }
  if (produced !== bytes) throw reader.refuse(name, `${bytes} bytes as declared`, `${produced} bytes`);
  refuseOthers(crc, reader, entry);
}

function refuseOthers(crc: number, reader: Reader, entry: Located): void {
  if (crc !== entry.crc) throw reader.refuse(entry.name, `CRC-32 ${hex(entry.crc)}`, hex(crc));
}

function inflateAtOnce(compressed: Buffer, reader: Reader, { name, bytes }: Located): Buffer {
  let whole: Buffer;
  try {
    whole = inflateRawSync(compressed, { maxOutputLength: bytes, chunkSize: Math.max(64, bytes + 64) });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw reader.refuse(name, `${bytes} bytes as declared`, 'more');
    throw damaged(cause, reader, name);
  }
  if (whole.length === bytes) return whole;
  throw reader.refuse(name, `${bytes} bytes as declared`, `${whole.length} bytes`);
}

async function* readRange(
  reader: Reader,
  begin: number,
  length: number,
  field: string,
): AsyncIterable<Buffer> {
  for (let at = 0; at < length; at += READ_BYTES) {
    yield await reader.at(begin + at, Math.min(READ_BYTES, length - at), field);
  }
}

async function* inflate(
  compressed: AsyncIterable<Buffer>,
  reader: Reader,
  name: string,
): AsyncIterable<Buffer> {
  const stream = createInflateRaw({ chunkSize: READ_BYTES });
  // An error of either stream destroys both and comes out of the iteration below.
  pipeline(Readable.from(compressed), stream, () => undefined);
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (cause) {
    throw damaged(cause, reader, name);
  }
}

/** What is thrown for what zlib threw. */
function damaged(cause: unknown, reader: Reader, name: string): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  if (!code?.startsWith('Z_')) return cause;
  return reader.refuse(name, 'a whole deflate stream', `damaged data (${code})`, cause);
}

function safeInteger(value: bigint, reader: Reader, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw reader.refuse(field, 'a size below 2^53', `${value}`);
  return Number(value);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
