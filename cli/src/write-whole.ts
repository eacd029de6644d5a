import { open, rename, rm } from 'node:fs/promises';

/** Writes a file as it comes, whole or not at all. */
export async function writeWhole(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${file}.partial`;
  const handle = await open(partial, 'w');
  try {
    for await (const chunk of chunks) await handle.write(chunk);
  } catch (thrown) {
    await rm(partial, { force: true });
    throw thrown;
  } finally {
    await handle.close();
  }
  await rename(partial, file);
}
