/**
 * The value, cut off at 0 and 1, without a branch: where values scatter about a bound the processor guesses half of its
 * branches wrong, which takes longer than all else in these loops. Math.min and Math.max branch too.
 */
export function clamp01(value: number): number {
  const short = 1 - (value + Math.abs(value)) / 2;
  return 1 - (short + Math.abs(short)) / 2;
}
