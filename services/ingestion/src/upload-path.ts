import { badInput } from '@medformer/schema';

const MAX_PATH_LENGTH = 1024;
const MAX_SEGMENT_BYTES = 255;

/**
 * Refuses paths that could leave the upload's folder or mean different files on different systems.
 * @throws MedformerError INVALID_ARGUMENT
 */
export function checkUploadPath(path: string): void {
  const segments = path.split('/');
  const safe = segments.every(
    (segment) =>
      segment !== '' &&
      segment !== '.' &&
      segment !== '..' &&
      Buffer.byteLength(segment) <= MAX_SEGMENT_BYTES &&
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
      !/[\\\u0000-\u001f\u007f]/.test(segment),
  );
  if (safe && path.length <= MAX_PATH_LENGTH) return;
  throw badInput({
    file: JSON.stringify(path.slice(0, 200)),
    field: 'path',
    expected: 'a relative path with forward slashes and without . or ..',
    found: 'another one',
  });
}
