import type { Rng } from '@medformer/schema';
import { quantiles, toBytes } from './display.js';
import { addCtNoise, showCt } from './modality/ct.js';
import { drawSequence, MRI_SEQUENCES, receive, spinEchoSignal } from './modality/mri.js';
import { acquirePet } from './modality/pet.js';
import { ATTENUATION, expose } from './modality/xray.js';
import { axialPlane, drawPose, frontalPlane, type PoseSpread, pixelsOf } from './pose.js';
import { BODIES, type Region } from './region.js';
import { type Imaging, MODALITIES, type PhantomScan } from './scan.js';
import { type Camera, type Scene, samplingOf } from './scene.js';
import { HOUNSFIELD, UPTAKE } from './tissue.js';

/** Rows and columns of an image where none are asked for. */
export const IMAGE_SHAPE: readonly [number, number] = [28, 28];

const ANY: Imaging = { modalities: MODALITIES, sequences: MRI_SEQUENCES };
const SPREAD: PoseSpread = {
  turnDegrees: 10,
  tiltDegrees: 4,
  zoom: [0.75, 1.1],
  shift: 0.05,
  mirror: true,
};
/** Films are collimated to the region: this share of the width of a cross-section. */
const XRAY_SHARE = 0.72;
const FINE = 2;
const BEAM = 28;

/** What a picture adds to the patient's record. */
type Picture = Pick<PhantomScan, 'modality' | 'protocol' | 'shape' | 'spacingMm' | 'voxels'>;

/**
 * One picture of a region by a modality drawn at random: axial slices, and frontal X-ray films. Another shape is the same
 * square field of view with other pixels, each as noisy; what is drawn after the noise differs.
 */
export function takeImage(
  camera: Camera,
  scene: Scene,
  region: Region,
  rng: Rng,
  shape: readonly [number, number] = IMAGE_SHAPE,
  { modalities, sequences, spread = SPREAD }: Imaging = ANY,
): Picture {
  const modality = rng.choice(modalities);
  const { fieldOfViewMm } = BODIES[region.body];
  const pose =
    modality === 'xray'
      ? drawPose(rng, region.levelMm, XRAY_SHARE * fieldOfViewMm, 'y', spread)
      : drawPose(rng, region.levelMm, fieldOfViewMm, 'z', spread);
  const slab = axialPlane(pose, shape, 0.03 * fieldOfViewMm);
  const picture = (protocol: Picture['protocol'], voxels: Uint8Array): Picture => ({
    modality,
    protocol,
    shape: [...shape],
    spacingMm: shape.map((size) => pose.fieldOfViewMm / size),
    voxels,
  });
  switch (modality) {
    case 'ct': {
      const hounsfield = camera.look(scene, HOUNSFIELD, slab, samplingOf(shape, FINE));
      addCtNoise(hounsfield, shape, rng.uniform(12, 20), rng);
      return picture('soft', showCt(hounsfield, rng));
    }
    case 'mri': {
      const sequence = rng.choice(sequences);
      const { repetitionMs, echoMs } = drawSequence(sequence, rng);
      const signal = camera.look(
        scene,
        spinEchoSignal(repetitionMs, echoMs, scene.relaxation),
        slab,
        samplingOf(shape, FINE),
      );
      receive(signal, shape, 0.3, rng.uniform(0.015, 0.03), rng);
      return picture(sequence, showAll(signal, rng));
    }
    case 'pet': {
      const uptake = camera.look(scene, UPTAKE, slab, samplingOf(shape, FINE));
      const blur = rng.uniform(0.6, 0.8);
      acquirePet(uptake, shape, pixelsOf([blur, blur], shape, IMAGE_SHAPE), 10 ** rng.uniform(1.1, 1.4), rng);
      return picture('static', showAll(uptake, rng, 0.6));
    }
    case 'xray': {
      const depthMm = 1.3 * fieldOfViewMm;
      const path = camera.look(
        scene,
        ATTENUATION,
        frontalPlane(pose, shape, depthMm),
        samplingOf(shape, BEAM),
      );
      for (let i = 0; i < path.length; i += 1) path[i] = path[i]! * depthMm;
      expose(path, 10 ** rng.uniform(4, 4.4), rng);
      return picture('projection', showAll(path, rng));
    }
  }
}

/** 8-bit picture of everything between the darkest and the brightest hundredth, with a reader's own gamma. */
function showAll(data: Float32Array, rng: Rng, usualGamma = 1): Uint8Array {
  const [low, high] = quantiles(data, [0.01, rng.uniform(0.97, 0.998)]);
  return toBytes(data, low!, high!, usualGamma * Math.exp(rng.uniform(-0.4, 0.4)));
}
