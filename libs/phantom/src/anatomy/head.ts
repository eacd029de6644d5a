import { rod, rotation, type Shape, solid, type Vector } from '../shape.js';
import { Tissue } from '../tissue.js';
import { TYPICAL_HEAD } from './head-traits.js';
import type { Variation } from './variation.js';

/** Scalp, skull, meningeal fluid, folded cortex, ventricles, deep nuclei, cerebellum, brainstem; origin mid-brain. */
export function head(v: Variation, traits = TYPICAL_HEAD): Shape[] {
  const width = v.size(77) * traits.headWidth;
  const length = v.size(97) * traits.headLength;
  const height = v.size(92);
  const scalp = v.uniform(5, 9) * traits.scalp;
  const skull = v.uniform(6, 9) * traits.skull;
  const shell = (tissue: Shape['tissue'], inset: number) =>
    solid(tissue, [0, 0, 4], [width - inset, length - inset, height - inset], { square: 0.35 });
  const gap = v.uniform(2, 5) * traits.gap;
  const brain = scalp + skull + gap;
  const cortex = v.uniform(8, 12) * traits.cortex;
  const ventricle = v.uniform(0.75, 1.45) * traits.ventricles;
  const shapes: Shape[] = [
    solid(Tissue.Fat, v.place(0, 18, -78), v.sizes(64, 76, 62)),
    solid(Tissue.Muscle, v.place(0, 16, -78), v.sizes(57, 68, 58)),
    shell(Tissue.Fat, 0),
    shell(Tissue.Muscle, scalp - 2),
    shell(Tissue.Bone, scalp),
    shell(Tissue.Marrow, scalp + 0.35 * skull),
    shell(Tissue.Bone, scalp + 0.65 * skull),
    shell(Tissue.Fluid, scalp + skull),
  ];
  const [cerebrumWidth, cerebrumLength, cerebrumHeight] = [width - brain, length - brain, height - brain - 6];
  shapes.push(
    solid(Tissue.GreyMatter, [0, 0, 8], [cerebrumWidth, cerebrumLength, cerebrumHeight], {
      fold: { amplitude: 0.06 * traits.folding, size: 13 },
      square: 0.35,
    }),
  );
  for (const side of [-1, 1]) {
    shapes.push(
      solid(Tissue.GreyMatter, v.place(side * 36, 14, -28), v.sizes(18, 32, 20), {
        fold: { amplitude: 0.1, size: 12 },
      }),
      // The grey-white boundary follows the gyri: folded far more than the outer surface.
      solid(
        Tissue.WhiteMatter,
        [side * 0.46 * cerebrumWidth, 0, 10],
        [0.54 * cerebrumWidth - 0.75 * cortex, cerebrumLength - cortex, cerebrumHeight - cortex],
        { fold: { amplitude: 0.34 * traits.folding, size: 13 }, square: 0.5 },
      ),
      solid(Tissue.WhiteMatter, [side * 35, 12, -27], [9, 22, 10], { fold: { amplitude: 0.25, size: 12 } }),
    );
  }
  // Fluid between the hemispheres, above the corpus callosum.
  shapes.push(
    solid(Tissue.Fluid, [0, 0, 46], [v.uniform(1.5, 3.5) * traits.fissure, 0.84 * cerebrumLength, 36]),
    solid(Tissue.Fluid, [0, cerebrumLength - 22, 8], [v.uniform(1.5, 3) * traits.fissure, 26, 40]),
    solid(Tissue.Fluid, [0, 24 - cerebrumLength, 14], [v.uniform(1.5, 3) * traits.fissure, 26, 40]),
  );
  shapes.push(
    solid(Tissue.WhiteMatter, v.place(0, -2, 20), scaled(v.sizes(20, 34, 7), traits.callosum)),
    solid(Tissue.Fluid, v.place(0, -37, -38), [49, 28, 25]),
    solid(Tissue.GreyMatter, v.place(0, -37, -40), scaled(v.sizes(45, 24, 21), traits.cerebellum), {
      fold: { amplitude: 0.12, size: 7 },
    }),
    solid(Tissue.WhiteMatter, [-18, -38, -40], v.sizes(19, 12, 9), { fold: { amplitude: 0.3, size: 7 } }),
    solid(Tissue.WhiteMatter, [18, -38, -40], v.sizes(19, 12, 9), { fold: { amplitude: 0.3, size: 7 } }),
    solid(Tissue.Fluid, [0, -8, -34], [22, 16, 12]),
    rod(Tissue.WhiteMatter, [0, -10, -12], v.place(0, -24, -95), v.size(14), v.size(9)),
    solid(Tissue.Fluid, v.place(0, -27, -40), v.sizes(8, 5, 9)),
  );
  for (const side of [-1, 1]) {
    const own = ventricle * traits.ventricleAsymmetry ** (side / 2);
    shapes.push(
      solid(Tissue.GreyMatter, v.place(side * 14, -10, 2), scaled(v.sizes(9, 15, 10), traits.thalami)),
      solid(Tissue.GreyMatter, v.place(side * 27, 8, 2), scaled(v.sizes(7, 21, 14), traits.striata), {
        rotation: rotation(0, 0, side * 12),
      }),
      solid(Tissue.Fluid, v.place(side * 12, 12, 12), [7 * own, v.size(30) * Math.sqrt(own), 11 * own], {
        rotation: rotation(0, 0, side * v.angle(14)),
      }),
      solid(
        Tissue.Fluid,
        v.place(side * 24, -36, 4),
        scaled([7 * own, v.size(17), 10 * own], traits.occipitalHorns),
        {
          rotation: rotation(0, 0, side * v.angle(-18)),
        },
      ),
      // Face and skull base: orbit, temporal bone with its air cells, maxillary sinus, jaw.
      solid(Tissue.Fat, v.place(side * 32, 72, -40), [19, 22, 18]),
      solid(Tissue.Fluid, v.place(side * 32, 79, -40), [12, 12, 12]),
      solid(Tissue.Bone, v.place(side * 41, -8, -52), v.sizes(22, 12, 11), {
        rotation: rotation(0, 0, side * v.angle(-25)),
      }),
      solid(Tissue.Air, v.place(side * 49, -14, -55), [7, 6, 8]),
      solid(Tissue.Bone, v.place(side * 27, 60, -72), [19, 19, 19], { hollow: 0.8 }),
      solid(Tissue.Air, [side * 27, 60, -72], [15, 15, 15]),
      rod(Tissue.Bone, [side * 46, 20, -85], [side * 14, 78, -112], 8),
    );
  }
  shapes.push(
    solid(Tissue.Fluid, v.place(0, -6, -2), scaled([3 * ventricle, 14, 9], traits.thirdVentricle)),
    solid(Tissue.Bone, [0, 28, -48], [24, 14, 9]),
    solid(Tissue.Air, v.place(0, 58, -52), v.sizes(13, 22, 16)),
    solid(Tissue.Air, v.place(0, 44, -95), [10, 22, 24]),
    solid(Tissue.Bone, v.place(0, 82, 0), [22, 6, 12]),
    solid(Tissue.Air, [0, 81, 0], [15, 4, 8]),
    solid(Tissue.Bone, [0, -26, -112], [26, 22, 22]),
    rod(Tissue.WhiteMatter, [0, -26, -85], [0, -28, -140], 7),
  );
  return shapes;
}

function scaled([x, y, z]: Vector, factor: number): Vector {
  return [factor * x, factor * y, factor * z];
}
