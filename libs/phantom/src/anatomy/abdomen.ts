import { rod, rotation, type Shape, solid } from '../shape.js';
import { Tissue } from '../tissue.js';
import { spine, trunk } from './trunk.js';
import type { Variation } from './variation.js';

/** Liver, spleen, stomach, pancreas, kidneys, bowel, great vessels; origin at the first lumbar vertebra. */
export function abdomen(v: Variation): Shape[] {
  const { halfWidth, halfDepth, wall } = trunk(v, 166, 116, 18);
  const shapes: Shape[] = [
    ...wall,
    solid(Tissue.Fat, [0, 14, 0], [halfWidth - 14, halfDepth - 20, Infinity], { square: 0.6 }),
    solid(Tissue.Bone, [0, 0, 60], [halfWidth - 7, halfDepth - 7, 130], {
      hollow: 0.91,
      stripes: { period: v.size(28), duty: 0.4, slope: 0.45, phase: v.uniform(0, 1) },
    }),
  ];
  for (const side of [-1, 1]) {
    // Psoas muscles.
    shapes.push(rod(Tissue.Muscle, [side * 34, -50, 20], [side * 62, -30, -170], 12, 26));
  }
  const air = v.uniform(0, 1);
  shapes.push(
    ...spine(v, [0, -0.55 * halfDepth, 0], 1.15),
    rod(Tissue.Bowel, [105, 10, -20], v.place(112, 0, -150), v.size(22)),
    rod(Tissue.Bowel, [-112, -5, 10], v.place(-112, 0, -150), v.size(19)),
    rod(Tissue.Bowel, [98, 62, -8], v.place(-100, 58, -4), v.size(18)),
    rod(Tissue.Air, [104, 22, -20], [110, 12, -120], v.uniform(4, 14)),
    rod(Tissue.Air, [60, 68, -8], [-60, 66, -4], v.uniform(3, 13)),
  );
  for (let loop = 0; loop < 9; loop += 1) {
    const [x, y, z] = [v.uniform(-72, 72), v.uniform(15, 72), v.uniform(-140, -34)];
    shapes.push(
      solid(Tissue.Bowel, [x, y, z], v.sizes(24, 15, 17), { rotation: rotation(0, 0, v.uniform(0, 180)) }),
    );
    if (v.chance(0.35)) shapes.push(solid(Tissue.Air, [x, y + 5, z], [12, 6, 9]));
  }
  shapes.push(
    solid(Tissue.Muscle, v.place(-52, 48, 48), v.sizes(50, 38, 34), {
      rotation: rotation(0, 0, v.angle(-20)),
    }),
    solid(Tissue.Fluid, [-52, 44, 46], [43, 28, 28], { rotation: rotation(0, 0, v.angle(-20)) }),
    solid(Tissue.Air, [-52, 62, 48], [34 * air, 14, 24]),
    solid(Tissue.Liver, v.place(76, 12, 46), v.sizes(78, 84, 74)),
    solid(Tissue.Liver, v.place(4, 52, 56), v.sizes(62, 34, 40), { rotation: rotation(0, 0, -8) }),
    rod(Tissue.Blood, [88, 8, 72], [20, -10, 84], 7),
    rod(Tissue.Blood, [84, 30, 40], [28, 8, 20], 7),
    solid(Tissue.Fluid, v.place(62, 62, 4), v.sizes(14, 20, 22)),
    solid(Tissue.Spleen, v.place(-112, -38, 46), v.sizes(26, 44, 50), {
      rotation: rotation(0, 0, v.angle(-18)),
    }),
    rod(Tissue.Bowel, [38, 14, -6], v.place(-70, -4, 22), 13, 9),
    rod(Tissue.Blood, [-12, -28, 190], [-10, -28, -190], v.size(12)),
    rod(Tissue.Blood, [18, -26, 190], [18, -28, -190], v.size(13)),
  );
  for (const side of [-1, 1]) {
    const [x, y, z] = v.place(side * 64, -44, side < 0 ? -30 : -40);
    const turn = { rotation: rotation(0, side * 8, side * v.angle(-35)) };
    shapes.push(
      solid(Tissue.Fat, [x, y, z], [44, 44, 70], turn),
      solid(Tissue.Kidney, [x, y, z], v.sizes(29, 30, 56), turn),
      solid(Tissue.Urine, [x - side * 9, y + 6, z], v.sizes(13, 9, 24), turn),
      rod(Tissue.Blood, [x - side * 14, y + 8, z], [side * 10, -26, z + 10], 6),
      rod(Tissue.Muscle, [side * 46, -24 - 30, -60], [side * 62, -30, -170], 17, 26),
    );
  }
  return shapes;
}
