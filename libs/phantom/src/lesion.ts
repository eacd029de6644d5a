import type { Rng } from '@medformer/schema';
import { emptyPoints, paint } from './paint.js';
import type { Scene } from './scene.js';
import { type Shape, solid, type Vector } from './shape.js';
import { LESION_HOST, Tissue } from './tissue.js';

/** What the label `lesion` can say. */
export const LESIONS = ['none', 'solid', 'ring', 'diffuse'] as const;
export type Lesion = (typeof LESIONS)[number];

/** Standard deviation of a site about its usual place, relative to the field of view. */
const NEAR = 0.07;

/**
 * The shapes of one patient's disease at one level: nothing, one solid mass, one mass with a fluid centre, or
 * several small deposits.
 *
 * @param levelMm height at which the lesion sits
 * @param fieldOfViewMm sizes are relative to this, so that a lesion spans as many pixels in a leg as in a chest
 * @param near where it sits; anywhere at the level when absent
 */
export function lesionShapes(
  kind: Lesion,
  rng: Rng,
  scene: Scene,
  levelMm: number,
  fieldOfViewMm: number,
  near?: Vector,
): Shape[] {
  if (kind === 'none') return [];
  const find = (radius: number) => site(rng, scene, levelMm, radius, fieldOfViewMm, near);
  if (kind === 'diffuse') {
    const shapes: Shape[] = [];
    const count = 5 + rng.integer(3);
    for (let deposit = 0; deposit < count; deposit += 1) {
      const radius = rng.uniform(0.045, 0.065) * fieldOfViewMm;
      shapes.push(mass(rng, find(radius), radius, Tissue.Tumour));
    }
    return shapes;
  }
  const radius = rng.uniform(0.08, 0.12) * fieldOfViewMm;
  const centre = find(radius);
  const tumour = mass(rng, centre, radius, Tissue.Tumour);
  if (kind === 'solid') return [tumour];
  return [tumour, mass(rng, centre, radius * rng.uniform(0.58, 0.7), Tissue.Necrosis)];
}

function mass(rng: Rng, centre: Vector, radius: number, tissue: Shape['tissue']): Shape {
  const stretch = () => radius * rng.uniform(0.85, 1.15);
  return solid(tissue, centre, [stretch(), stretch(), stretch()], {
    fold: { amplitude: 0.15, size: 0.8 * radius },
  });
}

/** A centre whose surroundings are mostly tissue that can hold a lesion; the best of forty tries. */
function site(
  rng: Rng,
  scene: Scene,
  levelMm: number,
  radius: number,
  fieldOfViewMm: number,
  near?: Vector,
): Vector {
  const around = 9;
  const points = emptyPoints(around);
  const host = new Float32Array(around);
  const reach = 0.34 * fieldOfViewMm;
  let best: Vector = [0, 0, levelMm];
  let bestShare = -1;
  for (let attempt = 0; attempt < 40 && bestShare < 0.85; attempt += 1) {
    const centre: Vector = [
      near ? rng.normal(near[0], NEAR * fieldOfViewMm) : rng.uniform(-reach, reach),
      near ? rng.normal(near[1], NEAR * fieldOfViewMm) : rng.uniform(-reach, reach),
      levelMm + rng.uniform(-0.3, 0.3) * radius,
    ];
    for (let k = 0; k < around; k += 1) {
      const spread = k === 0 ? 0 : 0.8 * radius;
      points.x[k] = centre[0] + spread * Math.cos((k * Math.PI) / 4);
      points.y[k] = centre[1] + spread * Math.sin((k * Math.PI) / 4);
      points.z[k] = centre[2];
    }
    paint(scene.shapes, scene.noise, LESION_HOST, points, 1, host);
    const share = host.reduce((sum, value) => sum + value, 0) / around;
    if (share > bestShare) {
      bestShare = share;
      best = centre;
    }
  }
  return best;
}
