import { rod, rotation, type Shape, solid } from '../shape.js';
import { Tissue } from '../tissue.js';
import { spine, trunk } from './trunk.js';
import type { Variation } from './variation.js';

/** Lungs, heart with its chambers, great vessels, airways, thoracic cage, shoulder girdle; origin mid-thorax. */
export function chest(v: Variation): Shape[] {
  const { halfWidth, halfDepth, wall } = trunk(v, 172, 118, 14);
  const shapes = [...wall];
  const cage = [halfWidth - 14, halfDepth - 10, 190] as const;
  shapes.push(
    solid(Tissue.Bone, [0, 0, -35], cage, {
      square: 0.5,
      hollow: 0.9,
      stripes: { period: v.size(27), duty: 0.42, slope: 0.32, phase: v.uniform(0, 1) },
    }),
  );
  const lungHeight = v.size(142);
  for (const side of [-1, 1]) {
    shapes.push(
      solid(
        Tissue.Lung,
        v.place(side * 0.47 * halfWidth, -4, -25),
        [v.size(0.4 * halfWidth), 0.8 * halfDepth, lungHeight],
        {
          rotation: rotation(0, side * 6, 0),
          square: 0.5,
        },
      ),
      solid(Tissue.Blood, [side * 42, -6, 0], [16, 13, 26], { fold: { amplitude: 0.35, size: 11 } }),
      rod(Tissue.Blood, [side * 30, 0, 0], v.place(side * 95, -30, -60), 7, 3),
      rod(Tissue.Blood, [side * 30, 0, 5], v.place(side * 90, 20, 50), 6, 3),
      rod(Tissue.Bone, [side * 22, 82, 112], v.place(side * 135, 10, 128), 7),
      solid(Tissue.Bone, v.place(side * 112, -88, 58), [44, 5, 66], {
        rotation: rotation(0, 0, side * v.angle(22)),
      }),
      solid(Tissue.Bone, v.place(side * 168, -10, 112), [24, 24, 24]),
    );
  }
  const heart = v.place(-26, 26, -62);
  const size = v.uniform(0.85, 1.18);
  const tilt = { rotation: rotation(0, v.angle(-25), v.angle(35)) };
  shapes.push(
    solid(Tissue.Fat, [0, 20, 20], [34, 62, 90]),
    solid(Tissue.Fat, heart, [62 * size, 50 * size, 52 * size], tilt),
    solid(Tissue.Blood, [heart[0] + 24, heart[1] + 6, heart[2] + 8], [36 * size, 36 * size, 44 * size], tilt),
    solid(
      Tissue.Myocardium,
      [heart[0] - 14, heart[1] - 2, heart[2]],
      [44 * size, 36 * size, 40 * size],
      tilt,
    ),
    solid(Tissue.Blood, [heart[0] - 14, heart[1] - 2, heart[2]], [29 * size, 22 * size, 26 * size], tilt),
    rod(Tissue.Blood, [6, 16, -30], [10, 22, 42], v.size(15)),
    rod(Tissue.Blood, [10, 22, 42], [-18, -38, 50], v.size(14), v.size(12)),
    rod(Tissue.Blood, [-18, -38, 50], [-16, -46, -220], v.size(12)),
    rod(Tissue.Blood, [28, 16, -20], [30, 14, 150], v.size(9)),
    rod(Tissue.Blood, [-14, 26, -20], [-18, 16, 22], v.size(13)),
    rod(Tissue.Air, [4, -8, 32], [0, -4, 190], v.size(10)),
    rod(Tissue.Air, [4, -8, 32], [44, -14, -2], 6),
    rod(Tissue.Air, [4, -8, 32], [-44, -16, -4], 6),
    solid(Tissue.Bone, v.place(0, halfDepth - 13, 10), [19, 7, 92]),
    // The domes of the diaphragm: liver on the right, spleen and stomach on the left.
    solid(Tissue.Liver, v.place(72, 8, -172), v.sizes(84, 84, 74)),
    solid(Tissue.Spleen, v.place(-92, -36, -172), v.sizes(48, 54, 52)),
    ...spine(v, [0, -0.6 * halfDepth, 0], 0.95),
  );
  return shapes;
}
