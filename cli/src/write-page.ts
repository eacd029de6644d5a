import { open, rename } from 'node:fs/promises';

/** Writes an HTML page as it comes, whole or not at all. */
export async function writePage(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${file}.partial`;
  const handle = await open(partial, 'w');
  try {
    for await (const chunk of chunks) await handle.write(chunk);
  } finally {
    await handle.close();
  }
  await rename(partial, file);
}
