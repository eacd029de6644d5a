import { isSafeRelativePath } from '@medformer/imaging';
import { badInput } from '@medformer/schema';

/**
 * Refuses paths that could leave the upload's folder or mean different files on different systems.
 * @throws MedformerError INVALID_ARGUMENT
 */
export function checkUploadPath(path: string): void {
  if (isSafeRelativePath(path)) return;
  throw badInput({
    file: JSON.stringify(path.slice(0, 200)),
    field: 'path',
    expected: 'a relative path with forward slashes and without . or ..',
    found: 'another one',
  });
}
