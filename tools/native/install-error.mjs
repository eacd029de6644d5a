/** A failure the reader can mend; its message is the one paragraph they need. */
export class InstallError extends Error {
  name = 'InstallError';
}
