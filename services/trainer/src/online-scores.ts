import type { OnlineScore } from '@medformer/gen/trainer';
import type { OnlineProtocol, OnlineScores } from '@medformer/schema';

/** Online scores of a step as the wire has them, none where the step has none. */
export function onlineScores(online: OnlineScores | undefined): OnlineScore[] {
  return Object.entries(online ?? {}).map(([protocol, scores]) => ({
    protocol: protocol as OnlineProtocol,
    ...scores,
  }));
}
