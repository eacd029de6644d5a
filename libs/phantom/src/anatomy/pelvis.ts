import { rod, rotation, type Shape, solid } from '../shape.js';
import { Tissue } from '../tissue.js';
import { trunk } from './trunk.js';
import type { Variation } from './variation.js';

/** Pelvic ring, sacrum, hips, bladder, rectum, gluteal muscles, femoral vessels; origin above the hip joints. */
export function pelvis(v: Variation): Shape[] {
  const { halfWidth, halfDepth, wall } = trunk(v, 186, 116, 22);
  const shapes: Shape[] = [...wall, solid(Tissue.Fat, [0, 12, 10], [78, 72, 100])];
  const bladder = v.uniform(0.65, 1.3);
  for (const side of [-1, 1]) {
    const hip = v.place(side * 96, 4, -38);
    const tilt = { rotation: rotation(v.angle(10), side * v.angle(-22), side * v.angle(28)) };
    shapes.push(
      solid(Tissue.Fat, [side * 78, -50, -30], [14, 46, 80], { rotation: rotation(0, 0, side * 40) }),
      solid(Tissue.Bone, v.place(side * 100, -14, 52), [8, 54, 62], tilt),
      solid(Tissue.Bone, hip, v.sizes(38, 38, 36)),
      solid(Tissue.Cartilage, hip, [28, 28, 28]),
      solid(Tissue.Bone, hip, v.sizes(25, 25, 25)),
      solid(Tissue.Marrow, hip, [20, 20, 20]),
      rod(Tissue.Bone, hip, [side * 0.8 * halfWidth, hip[1] - 8, -78], 16),
      rod(Tissue.Bone, [side * 0.8 * halfWidth, hip[1] - 8, -70], [side * 0.76 * halfWidth, 8, -230], 18, 16),
      rod(Tissue.Marrow, [side * 0.8 * halfWidth, hip[1] - 8, -78], [side * 0.76 * halfWidth, 8, -230], 9),
      rod(Tissue.Bone, hip, [side * 14, 62, -62], 11),
      rod(Tissue.Bone, [side * 86, -30, -58], [side * 58, -22, -98], 15),
      rod(Tissue.Bone, [side * 16, 58, -66], [side * 58, -22, -98], 8),
      rod(Tissue.Blood, [side * 40, 20, 80], v.place(side * 72, 76, -60), 9),
    );
  }
  shapes.push(
    solid(Tissue.Bone, v.place(0, -70, 50), [54, 20, 58], { rotation: rotation(v.angle(20), 0, 0) }),
    solid(Tissue.Marrow, [0, -70, 52], [40, 12, 46], { rotation: rotation(20, 0, 0) }),
    rod(Tissue.Bone, [0, -82, 10], [0, -66, -42], 11, 5),
    solid(Tissue.Cartilage, [0, 64, -62], [6, 14, 20]),
    solid(Tissue.Muscle, v.place(0, 28, -14), [
      v.size(43) * bladder + 4,
      v.size(36) * bladder + 4,
      36 * bladder + 4,
    ]),
    solid(Tissue.Urine, [0, 28, -14], [43 * bladder, 36 * bladder, 36 * bladder]),
    solid(Tissue.Muscle, v.place(0, -16, -22), [28, 17, 26]),
    rod(Tissue.Bowel, [v.uniform(-20, 20), -38, 40], v.place(0, -46, -90), v.size(20)),
    solid(Tissue.Bowel, v.place(-50, 30, 60), v.sizes(34, 22, 24)),
    solid(Tissue.Bowel, v.place(48, 36, 62), v.sizes(36, 24, 26)),
    solid(Tissue.Air, v.place(48, 44, 62), v.sizes(18, 9, 14)),
  );
  if (v.chance(0.5)) shapes.push(solid(Tissue.Air, [0, -42, -20], [11, 10, 34]));
  if (halfDepth > 95) shapes.push(solid(Tissue.Fat, [0, -halfDepth, -40], [10, 26, 70]));
  return shapes;
}
