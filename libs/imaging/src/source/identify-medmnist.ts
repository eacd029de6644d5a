import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MedformerError } from '@medformer/schema';
import {
  formerMedmnistSet,
  medmnistSetByMd5,
  medmnistSetOf,
  type NamedMedmnistSet,
} from '../npz/medmnist-sets.js';

/** Which of MedMNIST's files an archive is. */
export interface MedmnistIdentity {
  md5: string;
  /** What its name says. */
  claimed: NamedMedmnistSet | undefined;
  /** What its bytes say. */
  byMd5: NamedMedmnistSet | undefined;
}

export async function identifyMedmnist(folder: string, file: string): Promise<MedmnistIdentity> {
  const hash = createHash('md5');
  await pipeline(createReadStream(join(folder, file)), hash);
  const md5 = hash.digest('hex');
  return { md5, claimed: medmnistSetOf(file), byMd5: medmnistSetByMd5(md5) };
}

/**
 * Files of one name have differed between releases, in images and splits: only the checksum tells them apart.
 * @throws MedformerError FAILED_PRECONDITION naming expected and found
 */
export function refuseOtherMd5({ md5, claimed, byMd5 }: MedmnistIdentity, file: string): void {
  if (byMd5 && (!claimed || (claimed.name === byMd5.name && claimed.size === byMd5.size))) return;
  const former = formerMedmnistSet(md5);
  if (!claimed && !former) return;
  const expected = claimed
    ? `MD5 ${claimed.set.md5[claimed.size] ?? 'of no file: the set has no such size'} of ${fileOf(claimed)}`
    : 'the file of the newest release';
  const found = former
    ? `MD5 ${md5}, ${former.name} of medmnist ${former.releases}, which later releases replaced`
    : `MD5 ${md5}${byMd5 ? `, which is ${fileOf(byMd5)}` : ''}`;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `${file}: expected ${expected}, found ${found}; to ingest own data of this form allow an MD5 mismatch`,
  );
}

function fileOf({ name, size }: NamedMedmnistSet): string {
  return size === '28' ? `${name}.npz` : `${name}_${size}.npz`;
}
