import { rod, rotation, type Shape, solid } from '../shape.js';
import { Tissue } from '../tissue.js';
import type { Variation } from './variation.js';

/** Mid-thigh: femur with its marrow, three muscle compartments with fat planes between, vessels; origin mid-shaft. */
export function thigh(v: Variation): Shape[] {
  const radius = v.size(84);
  const fat = v.uniform(8, 20);
  const femur = v.place(-6, 8, 0);
  const up = Infinity;
  const shapes: Shape[] = [solid(Tissue.Fat, [0, 0, 0], [radius, v.size(84), up])];
  const bellies: [number, number, number, number][] = [
    [-4, 44, 40, 22],
    [-40, 18, 22, 34],
    [36, 28, 22, 26],
    [34, -14, 24, 26],
    [12, -44, 26, 18],
    [-26, -40, 24, 20],
    [4, 4, 26, 30],
  ];
  for (const [x, y, a, b] of bellies) {
    const scale = (radius - fat) / 66;
    shapes.push(
      solid(Tissue.Muscle, v.place(x * scale, y * scale, 0), v.sizes(a * scale, b * scale, up), {
        square: 0.6,
      }),
    );
  }
  shapes.push(
    rod(
      Tissue.Bone,
      [femur[0] - 8, femur[1] + 5, 200],
      [femur[0] + 6, femur[1] - 4, -200],
      v.size(17),
      v.size(19),
    ),
    rod(
      Tissue.Marrow,
      [femur[0] - 8, femur[1] + 5, 200],
      [femur[0] + 6, femur[1] - 4, -200],
      v.uniform(7, 10),
    ),
    rod(Tissue.Blood, [30, 26, 160], v.place(22, -14, -160), 6),
    rod(Tissue.Blood, [38, 20, 160], v.place(30, -20, -160), 6),
  );
  return shapes;
}

/** Knee: femoral condyles, tibial plateau, patella, fibula, cartilage, joint fluid, calf heads; origin at the joint. */
export function knee(v: Variation): Shape[] {
  const radius = v.size(66);
  const fat = v.uniform(5, 11);
  const up = Infinity;
  const shapes: Shape[] = [
    solid(Tissue.Fat, [0, 0, 0], [radius, v.size(70), up]),
    solid(Tissue.Muscle, [0, 2, 118], [radius - fat, radius - fat, 92]),
    solid(Tissue.Muscle, v.place(24, -34, -44), v.sizes(22, 22, 110)),
    solid(Tissue.Muscle, v.place(-24, -34, -44), v.sizes(22, 22, 110)),
    solid(Tissue.Muscle, v.place(40, -14, 40), v.sizes(12, 22, 90)),
    solid(Tissue.Muscle, v.place(-42, -12, 40), v.sizes(11, 20, 90)),
    solid(Tissue.Fluid, v.place(0, 36, 34), v.sizes(26, 9, 26)),
    rod(Tissue.Blood, [4, -36, 150], v.place(2, -40, -150), 7),
    rod(Tissue.Bone, [0, 6, 200], [0, 2, 34], 17, 27),
    rod(Tissue.Marrow, [0, 6, 200], [0, 2, 40], 10, 21),
  ];
  for (const side of [-1, 1]) {
    const condyle = v.place(side * 24, -2, 26);
    const turn = { rotation: rotation(v.angle(-15), 0, side * v.angle(8)) };
    shapes.push(
      solid(Tissue.Cartilage, condyle, [25, 37, 29], turn),
      solid(Tissue.Bone, condyle, v.sizes(22.5, 34, 26), turn),
      solid(Tissue.Marrow, condyle, [18.5, 29, 22], turn),
    );
  }
  shapes.push(
    solid(Tissue.Cartilage, [0, -2, -12], [44, 30, 9]),
    solid(Tissue.Bone, v.place(0, -2, -26), v.sizes(43, 29, 19), { square: 0.6 }),
    solid(Tissue.Marrow, [0, -2, -27], [38, 24, 15], { square: 0.6 }),
    rod(Tissue.Bone, [0, 2, -34], [2, 4, -200], 27, 15),
    rod(Tissue.Marrow, [0, 2, -34], [2, 4, -200], 21, 9),
    rod(Tissue.Bone, v.place(-38, -18, -40), [-36, -18, -200], 9, 7),
    solid(Tissue.Cartilage, [0, 40, 26], [23, 9, 22]),
    solid(Tissue.Bone, v.place(0, 46, 26), v.sizes(22, 10, 21)),
    solid(Tissue.Marrow, [0, 46, 26], [16, 6, 15]),
    rod(Tissue.Cartilage, [0, 48, 6], [0, 34, -50], 5),
  );
  return shapes;
}
