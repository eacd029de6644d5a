import { Rng } from '@medformer/schema';
import { Variation } from './anatomy/variation.js';
import { takeImage } from './image.js';
import { type Lesion, lesionShapes } from './lesion.js';
import { NoiseField } from './noise-field.js';
import { BODIES, REGIONS, type Region } from './region.js';
import type { PhantomScan, ScanShapes } from './scan.js';
import type { Scene } from './scene.js';
import { Camera } from './scene.js';
import type { Shape, Vector } from './shape.js';
import { takeVolume } from './volume.js';
import { Warp } from './warp.js';

/** Half of the patients are healthy at a level; the three kinds of lesion are equally frequent. */
const LESION_ODDS: readonly Lesion[] = ['none', 'none', 'none', 'solid', 'ring', 'diffuse'];

export interface PatientOptions extends ScanShapes {
  volumes: boolean;
}

/**
 * Everything that one patient's record holds: an image of each of the ten regions and, if asked for, a volume of
 * each. The same arguments give the same bytes, whatever was generated before.
 *
 * @param patientIndex 0 for `phantom-0001`
 */
export function generatePatient(
  seed: number,
  patientIndex: number,
  { volumes: withVolumes, imageShape, volumeShape }: PatientOptions,
): PhantomScan[] {
  const subject = `phantom-${String(patientIndex + 1).padStart(4, '0')}`;
  const key = (...rest: (string | number)[]) => Rng.of(seed, 'phantom', patientIndex, ...rest);
  const bodies = new Map<string, Scene>();
  const camera = new Camera();
  const images: PhantomScan[] = [];
  const volumes: PhantomScan[] = [];
  for (const region of REGIONS) {
    let healthy = bodies.get(region.body);
    if (!healthy) {
      healthy = patientBody(region.body, key('anatomy', region.body));
      bodies.set(region.body, healthy);
    }
    const draw = key('lesion', region.name);
    const lesion = draw.choice(LESION_ODDS);
    const scene = withLesion(healthy, lesion, draw, region);
    const record = {
      subject,
      bodyPart: BODIES[region.body].bodyPart,
      labels: { region: region.name, lesion },
    };
    images.push({ ...record, ...takeImage(camera, scene, region, key('image', region.name), imageShape) });
    if (withVolumes) {
      volumes.push({
        ...record,
        ...takeVolume(camera, scene, region, key('volume', region.name), volumeShape),
      });
    }
  }
  return [...images, ...volumes];
}

/** One patient's own variant of a textbook body, or of another one. */
export function patientBody(
  body: Region['body'],
  rng: Rng,
  build: (variation: Variation) => Shape[] = BODIES[body].build,
): Scene {
  const { fieldOfViewMm } = BODIES[body];
  const shapes = build(new Variation(rng));
  const noise = new NoiseField(rng);
  const warp = Warp.random(rng, rng.uniform(0.02, 0.045) * fieldOfViewMm, 0.7 * fieldOfViewMm);
  return { shapes, noise, warp };
}

/** The body with a lesion at the level of a region, near a place if one is given. */
export function withLesion(healthy: Scene, lesion: Lesion, rng: Rng, region: Region, near?: Vector): Scene {
  const { fieldOfViewMm } = BODIES[region.body];
  const disease = lesionShapes(lesion, rng, healthy, region.levelMm, fieldOfViewMm, near);
  return { ...healthy, shapes: [...healthy.shapes, ...disease] };
}
