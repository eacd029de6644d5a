import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The key under which patient identifiers are hashed: as configured, or drawn once for this data folder. Replicas that
 * do not share the folder must be given the same key, or they give one patient two pseudonyms.
 */
export async function pseudonymKey(configured: string | undefined, data: string): Promise<string> {
  if (configured !== undefined) return configured;
  const path = join(data, 'pseudonym.key');
  const drawn = join(data, `.${randomUUID()}`);
  await mkdir(data, { recursive: true });
  await writeFile(drawn, randomBytes(32).toString('hex'), { mode: 0o600 });
  try {
    // Whoever links first has drawn the key; a link never shows half a file.
    await link(drawn, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(drawn);
  }
  return readFile(path, 'utf8');
}
