import type { Rng } from '@medformer/schema';
import { addCtNoise, storeCt } from './modality/ct.js';
import { drawSequence, MRI_SEQUENCES, receive, spinEchoSignal } from './modality/mri.js';
import { acquirePet } from './modality/pet.js';
import { drawPose, type PoseSpread, pixelsOf, stackPlane } from './pose.js';
import { BODIES, type Region } from './region.js';
import type { Imaging, PhantomScan } from './scan.js';
import { type Camera, type Scene, samplingOf } from './scene.js';
import { HOUNSFIELD, UPTAKE } from './tissue.js';

/** Slices, rows and columns of a volume where none are asked for. */
export const VOLUME_SHAPE: readonly [number, number, number] = [28, 28, 28];

const ANY: Imaging<'ct' | 'mri' | 'pet'> = { modalities: ['ct', 'mri', 'pet'], sequences: MRI_SEQUENCES };
const SPREAD: PoseSpread = { turnDegrees: 14, tiltDegrees: 5, zoom: [0.7, 1.25], shift: 0.08, mirror: false };
/** A stack covers this share of its width, so that slices are thinner than pixels are wide. */
const STACK_SHARE = 0.45;

type Stack = Pick<PhantomScan, 'modality' | 'protocol' | 'shape' | 'spacingMm' | 'voxels'>;

/**
 * One stack of axial slices round a region's level, by CT, MRI or PET. Another shape is the same block of the body with
 * other voxels, each as noisy; what is drawn after the noise differs.
 */
export function takeVolume(
  camera: Camera,
  scene: Scene,
  region: Region,
  rng: Rng,
  shape: readonly [number, number, number] = VOLUME_SHAPE,
  { modalities, sequences, spread = SPREAD }: typeof ANY = ANY,
): Stack {
  const [slices, rows, columns] = shape;
  const modality = rng.choice(modalities);
  const pose = drawPose(rng, region.levelMm, BODIES[region.body].fieldOfViewMm, 'z', spread);
  const sliceMm = STACK_SHARE * (pose.fieldOfViewMm / slices);
  const look = (property: ArrayLike<number>): Float32Array => {
    const stack = new Float32Array(slices * rows * columns);
    for (let slice = 0; slice < slices; slice += 1) {
      const height = (slice - 0.5 * (slices - 1)) * sliceMm;
      const plane = stackPlane(pose, [rows, columns], height, sliceMm);
      stack.set(camera.look(scene, property, plane, samplingOf([rows, columns], 1)), slice * rows * columns);
    }
    return stack;
  };
  const spacingMm = [sliceMm, pose.fieldOfViewMm / rows, pose.fieldOfViewMm / columns];
  const geometry = { shape: [...shape], spacingMm };
  switch (modality) {
    case 'ct': {
      const hounsfield = look(HOUNSFIELD);
      addCtNoise(hounsfield, shape, rng.uniform(20, 60), rng);
      return { modality, protocol: 'hounsfield', ...geometry, voxels: storeCt(hounsfield) };
    }
    case 'mri': {
      const protocol = rng.choice(sequences);
      const { repetitionMs, echoMs } = drawSequence(protocol, rng);
      const signal = look(spinEchoSignal(repetitionMs, echoMs, scene.relaxation));
      receive(signal, shape, 0.25, rng.uniform(0.02, 0.07), rng);
      return { modality, protocol, ...geometry, voxels: storeScaled(signal, rng.uniform(600, 1600)) };
    }
    case 'pet': {
      const uptake = look(UPTAKE);
      const blur = rng.uniform(0.6, 1);
      const blurs = pixelsOf([blur / STACK_SHARE, blur, blur], shape, VOLUME_SHAPE);
      acquirePet(uptake, shape, blurs, 10 ** rng.uniform(0.3, 1), rng);
      return { modality, protocol: 'static', ...geometry, voxels: storeScaled(uptake, 100) };
    }
  }
}

function storeScaled(data: Float32Array, scale: number): Int16Array {
  return Int16Array.from(data, (value) => Math.min(32767, Math.round(value * scale)));
}
