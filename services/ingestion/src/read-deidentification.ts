import { readFile } from 'node:fs/promises';
import { type Profile, profileOf } from '@medformer/deidentify';
import { MedformerError } from '@medformer/schema';
import { parse } from 'yaml';

/**
 * How DICOM is de-identified here, from a YAML file where one is named.
 * @throws MedformerError INVALID_ARGUMENT for a file that cannot be read as settings
 */
export async function readDeidentification(file: string | undefined, key: string): Promise<Profile> {
  if (file === undefined) return profileOf({ key });
  try {
    return profileOf({ ...parse(await readFile(file, 'utf8')), key });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it cannot be read';
    throw new MedformerError('INVALID_ARGUMENT', `deidentificationFile ${file}: ${why}`, { cause });
  }
}
