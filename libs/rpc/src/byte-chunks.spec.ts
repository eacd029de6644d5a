import { expect, it } from 'vitest';
import { byteChunks, CHUNK_BYTES } from './byte-chunks.js';

it.each([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])(
  '%i bytes in chunks are the same bytes, none longer than a chunk',
  (length) => {
    const bytes = new Uint8Array(length + 9).map((_, at) => at % 251).subarray(5, length + 5);
    const chunks = [...byteChunks(bytes)];

    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    expect(chunks.map((chunk) => chunk.length).every((size) => size > 0 && size <= CHUNK_BYTES)).toBe(true);
    expect(chunks).toHaveLength(Math.ceil(length / CHUNK_BYTES));
  },
);
