import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { MedformerError } from '@medformer/schema';

/**
 * The key under which identities are replaced: of the file, drawn where it is not there yet, or of the environment.
 * @param outside folders that leave the machine, in which no key may lie
 * @throws MedformerError INVALID_ARGUMENT
 */
export async function pseudonymKey(
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  outside: readonly string[],
): Promise<string> {
  if (file === undefined) {
    const key = env.MEDFORMER_PSEUDONYM_KEY;
    if (key !== undefined && key !== '') return key;
    throw new MedformerError('INVALID_ARGUMENT', 'name a key: --key-file FILE or MEDFORMER_PSEUDONYM_KEY');
  }
  const inside = outside.find((folder) => resolve(file).startsWith(resolve(folder) + sep));
  if (inside !== undefined) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `--key-file: ${inside} is what leaves; keep the key elsewhere`,
    );
  }
  try {
    await writeFile(file, `${randomBytes(32).toString('hex')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return (await readFile(file, 'utf8')).trim();
}
