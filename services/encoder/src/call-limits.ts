import type { CallContext } from '@medformer/rpc';

/** Timers of more wait no time at all. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * How long an answer is of use: as long as its call, or so many ms where that is less.
 * @param timeoutMs 0: no limit of its own
 */
export function limitedTo(
  timeoutMs: number,
  { signal, deadline }: Pick<CallContext, 'signal' | 'deadline'>,
): { signal: AbortSignal; deadlineMs: number } {
  const callEnds = deadline?.getTime() ?? Number.POSITIVE_INFINITY;
  if (!(timeoutMs > 0)) return { signal, deadlineMs: callEnds };
  const timer = AbortSignal.timeout(Math.min(Math.ceil(timeoutMs), LONGEST_TIMER_MS));
  return {
    signal: AbortSignal.any([signal, timer]),
    deadlineMs: Math.min(callEnds, Date.now() + timeoutMs),
  };
}
