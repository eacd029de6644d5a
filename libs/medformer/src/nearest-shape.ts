/**
 * The trained shape that an image of a shape no training saw is brought to: of those with as many axes the nearest by the
 * ratios of their edges. Undefined where the shape was trained itself, or none of as many axes was.
 * @param shape spatial axes only
 */
export function nearestShape(
  shape: readonly number[],
  trained: readonly (readonly number[])[],
): readonly number[] | undefined {
  const distance = (other: readonly number[]) =>
    other.reduce((sum, edge, axis) => sum + Math.abs(Math.log(edge / shape[axis]!)), 0);
  const [first, ...others] = trained.filter((other) => other.length === shape.length);
  if (!first) return undefined;
  const nearest = others.reduce((best, other) => (distance(other) < distance(best) ? other : best), first);
  return distance(nearest) === 0 ? undefined : nearest;
}
