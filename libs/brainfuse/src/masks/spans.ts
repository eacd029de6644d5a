/**
 * A partition of unity as runs of voxels along the fastest axis. Most voxels of a fusion are of one source, and then
 * nothing has to be weighed there.
 */
export interface SpanVisitor {
  /** Voxels from `from` to `to` (not included) are of one source. */
  whole(from: number, to: number, source: number): void;
  /**
   * Voxels from `from` to `to` are of several sources, whose numbers `active` names, in any order.
   *
   * @param weights [voxels of the span, active.length], at every voxel of sum 1; gone after the call
   */
  mixed(from: number, to: number, active: readonly number[], weights: Float64Array): void;
}

/**
 * Turns scores into weights: a source weighs max(0, 1 - (best - own) / width), divided by the sum over sources. Continuous
 * in the scores, and sparse: away from borders one source has all. At a width of 0 the best has all, the first of equals.
 *
 * @param scores [voxels, sources], overwritten by the weights
 */
export function rampWeights(scores: Float64Array, sources: number, voxels: number, width: number): void {
  if (sources === 2 && width > 0) {
    rampTwo(scores, voxels, width);
    return;
  }
  for (let voxel = 0; voxel < voxels; voxel += 1) {
    const from = voxel * sources;
    let best = from;
    for (let at = from + 1; at < from + sources; at += 1) if (scores[at]! > scores[best]!) best = at;
    const top = scores[best]!;
    let sum = 0;
    for (let at = from; at < from + sources; at += 1) {
      const ramp = width > 0 ? 1 - (top - scores[at]!) / width : 0;
      const weight = at === best ? 1 : Math.max(ramp, 0);
      scores[at] = weight;
      sum += weight;
    }
    for (let at = from; at < from + sources; at += 1) scores[at]! /= sum;
  }
}

/** The same of two sources, the most frequent case: one weighs 1, the other less by their difference. */
function rampTwo(scores: Float64Array, voxels: number, width: number): void {
  for (let at = 0; at < 2 * voxels; at += 2) {
    const ahead = (scores[at]! - scores[at + 1]!) / width;
    const behind = Math.max(0, 1 - Math.abs(ahead));
    const less = behind / (1 + behind);
    scores[at] = ahead >= 0 ? 1 - less : less;
    scores[at + 1] = ahead >= 0 ? less : 1 - less;
  }
}

/** Visits one row of scores [voxels, sources], overwritten, that begins at voxel `from`. */
export function visitScores(
  scores: Float64Array,
  sources: number,
  width: number,
  from: number,
  visitor: SpanVisitor,
): void {
  const voxels = scores.length / sources;
  rampWeights(scores, sources, voxels, width);
  const all = Array.from({ length: sources }, (_, source) => source);
  for (let begin = 0; begin < voxels; ) {
    const owner = ownerOf(scores, sources, begin);
    let end = begin + 1;
    while (end < voxels && ownerOf(scores, sources, end) === owner) end += 1;
    if (owner >= 0) visitor.whole(from + begin, from + end, owner);
    else visitor.mixed(from + begin, from + end, all, scores.subarray(begin * sources, end * sources));
    begin = end;
  }
}

/** The source that has all of a voxel, -1 where none has. */
function ownerOf(weights: Float64Array, sources: number, voxel: number): number {
  for (let source = 0; source < sources; source += 1)
    if (weights[voxel * sources + source]! === 1) return source;
  return -1;
}
