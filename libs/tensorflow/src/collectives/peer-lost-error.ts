import { MedformerError } from '@medformer/schema';

const PREFIX = 'peer lost: ';

/** A process that trains along is gone or silent. The run goes on when all of its processes start again. */
export class PeerLostError extends MedformerError {
  constructor(why: string, options?: { cause?: unknown }) {
    super('ABORTED', `${PREFIX}${why}; start all processes of the run again to go on`, options);
  }
}

/** Also of an error that came from another process. */
export function isPeerLost(error: unknown): boolean {
  const { code, message } = (error ?? {}) as Partial<MedformerError>;
  return code === 'ABORTED' && (message?.startsWith(PREFIX) ?? false);
}
