import { TokenBucket } from 'limiter';
import { ANONYMOUS, type Caller } from './authenticator.js';
import { CallRefused } from './call-refused.js';

export interface CallLimits {
  callsPerSecond: number | undefined;
  burstCalls: number;
  concurrentCalls: number;
}

/** How many callers are remembered before those that have not called for a while are forgotten. */
const REMEMBERED = 10_000;
const CONCURRENCY_RETRY_MS = 1000;

/** A token bucket and a count of calls under way for each caller, so that one of them cannot take all there is. */
export class CallerLimits {
  private readonly accounts = new Map<string, Account>();

  constructor(private readonly limits: CallLimits) {}

  /**
   * Counts a call of this caller; the answer ends it. Callers without a name are told apart by their address.
   * @throws CallRefused RESOURCE_EXHAUSTED with the time after which to try again.
   */
  begin(caller: Caller, address: string): () => void {
    const key = caller === ANONYMOUS ? `address:${address}` : caller.name;
    const { callsPerSecond = this.limits.callsPerSecond, concurrentCalls = this.limits.concurrentCalls } =
      caller;
    const known = this.accounts.get(key);
    let account = known;
    // A caller whose limit the operator changed gets another bucket; what it has under way still counts.
    if (account === undefined || account.callsPerSecond !== callsPerSecond) {
      if (!known) this.forgetIdle();
      account = {
        callsPerSecond,
        underWay: known?.underWay ?? { count: 0 },
        bucket: callsPerSecond === undefined ? undefined : fullBucket(callsPerSecond, this.limits.burstCalls),
      };
      this.accounts.set(key, account);
    }
    const { bucket, underWay } = account;
    if (underWay.count >= concurrentCalls) {
      throw refused(
        'concurrency',
        `${concurrentCalls} calls of this caller are under way`,
        CONCURRENCY_RETRY_MS,
      );
    }
    if (bucket && !bucket.tryRemoveTokens(1)) {
      const retryAfterMs = Math.max(1, Math.ceil(bucket.getWaitTime(1)));
      throw refused('rate', `this caller may begin ${callsPerSecond} calls per second`, retryAfterMs);
    }
    underWay.count += 1;
    let ended = false;
    return () => {
      if (!ended) underWay.count -= 1;
      ended = true;
    };
  }

  private forgetIdle(): void {
    if (this.accounts.size < REMEMBERED) return;
    for (const [key, { bucket, underWay }] of this.accounts) {
      bucket?.drip();
      if (underWay.count === 0 && (!bucket || bucket.content >= bucket.bucketSize)) this.accounts.delete(key);
    }
  }
}

interface Account {
  callsPerSecond: number | undefined;
  underWay: { count: number };
  bucket: TokenBucket | undefined;
}

function fullBucket(callsPerSecond: number, burstCalls: number): TokenBucket {
  const bucket = new TokenBucket({
    bucketSize: burstCalls,
    tokensPerInterval: callsPerSecond,
    interval: 'second',
  });
  bucket.content = burstCalls;
  return bucket;
}

function refused(reason: 'rate' | 'concurrency', message: string, retryAfterMs: number): CallRefused {
  return new CallRefused(reason, 'RESOURCE_EXHAUSTED', message, { retryAfterMs });
}
