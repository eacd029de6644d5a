const MAX_PATH_LENGTH = 1024;
const MAX_SEGMENT_BYTES = 255;

/** False for paths that could leave their folder or mean different files on different systems. */
export function isSafeRelativePath(path: string): boolean {
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
  return safe && path.length <= MAX_PATH_LENGTH;
}
