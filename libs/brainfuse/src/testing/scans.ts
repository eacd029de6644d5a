import { createHash } from 'node:crypto';
import { Rng } from '@medformer/schema';
import type { FusionSource } from '../fusion-source.js';

/** A head as a section or a block: bright rim, grey inside with darker chambers, of own place, size, greys and noise. */
export function scan(
  patient: number,
  spatial: readonly number[],
  split: 'train' | 'test' = 'train',
): FusionSource {
  const rng = Rng.of('scan', patient);
  const middle = spatial.map((edge) => edge * rng.uniform(0.44, 0.56));
  const radii = spatial.map((edge) => edge * rng.uniform(0.36, 0.44));
  const chambers = Array.from({ length: 2 }, (_, side) => ({
    place: spatial.map((_, axis) =>
      axis === spatial.length - 1 ? 0.35 * (side - 0.5) * 2 : rng.uniform(-0.2, 0.2),
    ),
    size: rng.uniform(0.2, 0.35),
  }));
  const greys = {
    rim: rng.uniform(0.8, 0.95),
    inside: rng.uniform(0.45, 0.6),
    chamber: rng.uniform(0.1, 0.25),
  };
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  const pixels = Uint8Array.from({ length: voxels }, (_, voxel) => {
    let rest = voxel;
    const at = new Array<number>(spatial.length);
    for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
      at[axis] = ((rest % spatial[axis]!) - middle[axis]!) / radii[axis]!;
      rest = Math.floor(rest / spatial[axis]!);
    }
    const distance = Math.hypot(...at);
    const inChamber = chambers.some(
      ({ place, size }) => Math.hypot(...at.map((x, axis) => x - place[axis]!)) < size,
    );
    const grey = distance > 1 ? 0.02 : distance > 0.85 ? greys.rim : inChamber ? greys.chamber : greys.inside;
    return Math.round(255 * Math.min(1, Math.max(0, grey + rng.normal(0, 0.015))));
  });
  const source = createHash('sha256').update(pixels).digest('hex');
  return {
    record: {
      id: source.slice(0, 16),
      subject: `patient-${patient}`,
      split,
      modality: 'mri',
      bodyPart: 'head',
      shape: [...spatial, 1],
      pixelType: 'uint8',
      labels: {},
      source,
      tensor: 'pixels',
      row: 0,
    },
    pixels,
  };
}

export function scans(
  count: number,
  spatial: readonly number[],
  split: 'train' | 'test' = 'train',
): FusionSource[] {
  const first = split === 'train' ? 0 : 10_000;
  return Array.from({ length: count }, (_, patient) => scan(first + patient, spatial, split));
}
