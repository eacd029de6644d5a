/** Of a file that is streamed in messages: far below any limit of a message, and few messages for what people look at. */
export const CHUNK_BYTES = 256 * 1024;

/** Views of consecutive bytes, `CHUNK_BYTES` each but for the last; the next is made once the one before is taken. */
export function* byteChunks({ buffer, byteOffset, length }: Uint8Array): Iterable<Buffer> {
  for (let begin = 0; begin < length; begin += CHUNK_BYTES)
    yield Buffer.from(buffer, byteOffset + begin, Math.min(CHUNK_BYTES, length - begin));
}
