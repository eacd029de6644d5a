import { type Shape, solid, type Vector } from '../shape.js';
import { Tissue } from '../tissue.js';
import type { Variation } from './variation.js';

/** Outer half-width and half-depth of one patient's trunk, in mm. */
export interface Trunk {
  halfWidth: number;
  halfDepth: number;
  wall: Shape[];
}

/** Skin fat, muscle wall and the spine behind: what chest, abdomen and pelvis share. */
export function trunk(v: Variation, halfWidth: number, halfDepth: number, fat: number): Trunk {
  const width = v.size(halfWidth);
  const depth = v.size(halfDepth);
  const layer = fat * v.uniform(0.6, 1.5);
  const cylinder = (tissue: Shape['tissue'], inset: number) =>
    solid(tissue, [0, 0, 0], [width - inset, depth - inset, Infinity], { square: 0.75 });
  return {
    halfWidth: width - layer,
    halfDepth: depth - layer,
    wall: [cylinder(Tissue.Fat, 0), cylinder(Tissue.Muscle, layer)],
  };
}

/** Vertebral bodies with discs, spinal canal and spinous processes, the bodies' centre at `centre`. */
export function spine(v: Variation, centre: Vector, scale: number): Shape[] {
  const [x, y] = centre;
  const period = v.size(33) * scale;
  const phase = v.uniform(0, 1);
  const up = Infinity;
  return [
    solid(Tissue.Muscle, [x - 38, y - 20, 0], v.sizes(26, 20, up)),
    solid(Tissue.Muscle, [x + 38, y - 20, 0], v.sizes(26, 20, up)),
    solid(Tissue.Cartilage, [x, y, 0], [21 * scale, 16 * scale, up]),
    solid(Tissue.Bone, [x, y, 0], [22 * scale, 17 * scale, up], {
      stripes: { period, duty: 0.74, slope: 0, phase },
    }),
    solid(Tissue.Marrow, [x, y, 0], [18 * scale, 13 * scale, up], {
      stripes: { period, duty: 0.66, slope: 0, phase },
    }),
    solid(Tissue.Bone, [x, y - 24 * scale, 0], [15, 11, up]),
    solid(Tissue.Bone, [x, y - 30 * scale, 0], [38, 4, up], {
      stripes: { period, duty: 0.4, slope: 0, phase },
    }),
    solid(Tissue.Bone, [x, y - 42 * scale, 0], [4, 14, up], {
      stripes: { period, duty: 0.55, slope: 0, phase: phase + 0.3 },
    }),
    solid(Tissue.Fluid, [x, y - 23 * scale, 0], [9, 7, up]),
    solid(Tissue.WhiteMatter, [x, y - 23 * scale, 0], [5, 4, up]),
  ];
}
