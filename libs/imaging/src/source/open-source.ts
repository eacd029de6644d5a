import { contentAddress, type DatasetManifest } from '@medformer/schema';
import { openFolderSource } from './folder-source.js';
import type { ImageSource, Refusal, SourceFile, SourceOptions } from './image-source.js';
import { openMedmnistSource } from './medmnist-source.js';

/**
 * Examines the files of a folder: a single .npz is a MedMNIST archive, anything else a folder of images.
 *
 * @param files as announced; their paths stay inside `folder`.
 * @param onRefusal hears of files left out under `skipBadFiles`, now and while images are read.
 * @throws MedformerError INVALID_ARGUMENT naming file, field, expected and found.
 */
export async function openSource(
  folder: string,
  files: readonly SourceFile[],
  options: SourceOptions,
  onRefusal: (refusal: Refusal) => void,
): Promise<ImageSource> {
  const [first] = files;
  const archive = files.length === 1 && first && /\.npz$/i.test(first.path);
  if (archive) return openMedmnistSource(folder, first, options);
  return openFolderSource(folder, files, options, onRefusal);
}

/**
 * Names what was ingested and how: equal files under equal options give an equal digest. The key of the pseudonyms
 * counts by its own hash.
 */
export function sourceDigest(
  files: readonly SourceFile[],
  options: SourceOptions,
): DatasetManifest['source']['digest'] {
  const { pseudonymKey, maxArchiveBytes: _limit, allowMd5Mismatch, deidentification, ...chosen } = options;
  const choices = {
    ...chosen,
    ...(allowMd5Mismatch ? { allowMd5Mismatch } : {}),
    ...(deidentification ? { deidentification: deidentification.settings } : {}),
  };
  const pairs = files.map(({ path, sha256 }) => [path, sha256]).sort(([x], [y]) => (x! < y! ? -1 : 1));
  return contentAddress({
    files: pairs,
    options: choices,
    key: contentAddress(['pseudonym key', pseudonymKey]),
  });
}
