import type { Rng } from '@medformer/schema';
import { addCtNoise, storeCt } from './modality/ct.js';
import { drawSequence, receive, spinEchoSignal } from './modality/mri.js';
import { acquirePet } from './modality/pet.js';
import { drawPose, type PoseSpread, stackPlane } from './pose.js';
import { BODIES, type Region } from './region.js';
import type { PhantomScan } from './scan.js';
import type { Camera, Scene } from './scene.js';
import { HOUNSFIELD, UPTAKE } from './tissue.js';

/** Edge of a volume in voxels. */
export const VOLUME_SIZE = 28;

const SHAPE = [VOLUME_SIZE, VOLUME_SIZE, VOLUME_SIZE];
const SPREAD: PoseSpread = { turnDegrees: 14, tiltDegrees: 5, zoom: [0.7, 1.25], shift: 0.08, mirror: false };
/** A stack covers this share of its width, so that slices are thinner than pixels are wide. */
const STACK_SHARE = 0.45;
const SAMPLING = { inPlane: 2, through: 1 };

type Stack = Pick<PhantomScan, 'modality' | 'protocol' | 'shape' | 'spacingMm' | 'voxels'>;

/** One 28 x 28 x 28 stack of axial slices round a region's level, by CT, MRI or PET. */
export function takeVolume(camera: Camera, scene: Scene, region: Region, rng: Rng): Stack {
  const modality = rng.choice(['ct', 'mri', 'pet'] as const);
  const pose = drawPose(rng, region.levelMm, BODIES[region.body].fieldOfViewMm, 'z', SPREAD);
  const pixelMm = pose.fieldOfViewMm / VOLUME_SIZE;
  const sliceMm = STACK_SHARE * pixelMm;
  const look = (property: ArrayLike<number>): Float32Array => {
    const stack = new Float32Array(VOLUME_SIZE ** 3);
    for (let slice = 0; slice < VOLUME_SIZE; slice += 1) {
      const height = (slice - 0.5 * (VOLUME_SIZE - 1)) * sliceMm;
      const plane = stackPlane(pose, VOLUME_SIZE, height, sliceMm);
      stack.set(camera.look(scene, property, plane, SAMPLING), slice * VOLUME_SIZE ** 2);
    }
    return stack;
  };
  const geometry = { shape: [...SHAPE], spacingMm: [sliceMm, pixelMm, pixelMm] };
  switch (modality) {
    case 'ct': {
      const hounsfield = look(HOUNSFIELD);
      addCtNoise(hounsfield, SHAPE, rng.uniform(20, 60), rng);
      return { modality, protocol: 'hounsfield', ...geometry, voxels: storeCt(hounsfield) };
    }
    case 'mri': {
      const protocol = rng.choice(['t1', 't2'] as const);
      const { repetitionMs, echoMs } = drawSequence(protocol, rng);
      const signal = look(spinEchoSignal(repetitionMs, echoMs));
      receive(signal, SHAPE, 0.25, rng.uniform(0.02, 0.07), rng);
      return { modality, protocol, ...geometry, voxels: storeScaled(signal, rng.uniform(600, 1600)) };
    }
    case 'pet': {
      const uptake = look(UPTAKE);
      const spread = rng.uniform(0.6, 1);
      const spreads = [spread / STACK_SHARE, spread, spread];
      acquirePet(uptake, SHAPE, spreads, 10 ** rng.uniform(0.3, 1), rng);
      return { modality, protocol: 'static', ...geometry, voxels: storeScaled(uptake, 100) };
    }
  }
}

function storeScaled(data: Float32Array, scale: number): Int16Array {
  return Int16Array.from(data, (value) => Math.min(32767, Math.round(value * scale)));
}
