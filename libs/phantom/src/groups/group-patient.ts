import { Rng } from '@medformer/schema';
import { head } from '../anatomy/head.js';
import { takeImage } from '../image.js';
import { patientBody, withLesion } from '../patient.js';
import type { PoseSpread } from '../pose.js';
import { BODIES } from '../region.js';
import type { Imaging, PhantomScan } from '../scan.js';
import { Camera } from '../scene.js';
import { takeVolume } from '../volume.js';
import { type GroupCohortSpec, groupName, levelOf, placeOf } from './group-cohort.js';
import { drawPresentation, drawSyndrome } from './syndrome.js';

/** A study's own protocol strays less than a hospital's archive. */
const SPREAD: PoseSpread = { turnDegrees: 6, tiltDegrees: 3, zoom: [0.85, 1], shift: 0.02, mirror: false };

/** The images, then the volumes, of one patient of a cohort of groups. The same arguments give the same bytes. */
export function generateGroupPatient(spec: GroupCohortSpec, patient: number): PhantomScan[] {
  const { group, split } = placeOf(spec, patient);
  const key = (...rest: (string | number)[]) => Rng.of(spec.seed, 'phantom group patient', patient, ...rest);
  const syndrome = drawSyndrome(spec.seed, group);
  const { traits, relaxation, lesion } = drawPresentation(syndrome, key('presentation'));
  const body = patientBody('head', key('anatomy'), (variation) => head(variation, traits));
  const camera = new Camera();
  const imaging: Imaging<'mri'> = { modalities: ['mri'], sequences: spec.sequences, spread: SPREAD };
  const images: PhantomScan[] = [];
  const volumes: PhantomScan[] = [];
  for (const level of spec.levels) {
    const region = levelOf(level);
    const scene = {
      ...withLesion(body, lesion, key('lesion', level), region, syndrome.lesion.place),
      relaxation,
    };
    const record = {
      subject: `phantom-${String(patient + 1).padStart(4, '0')}`,
      bodyPart: BODIES.head.bodyPart,
      labels: { region: region.name, lesion, group: groupName(spec, group) },
      split,
    };
    const image = takeImage(camera, scene, region, key('image', level), spec.imageShape, imaging);
    images.push({ ...record, ...image });
    if (!spec.volumes) continue;
    const volume = takeVolume(camera, scene, region, key('volume', level), spec.volumeShape, imaging);
    volumes.push({ ...record, ...volume });
  }
  return [...images, ...volumes];
}
