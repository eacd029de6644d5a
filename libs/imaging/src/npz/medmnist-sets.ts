import { MEDMNIST_INFO } from './medmnist-info.js';
import type { MedmnistSet, MedmnistSize } from './medmnist-set.js';

/** Modality and body part by MedMNIST's paper (Yang et al. 2023, table 1), which its info file does not say. */
const IMAGED: Readonly<Record<string, [modality: string, bodyPart: string]>> = {
  pathmnist: ['pathology', 'colon'],
  chestmnist: ['xray', 'chest'],
  dermamnist: ['dermatoscope', 'skin'],
  octmnist: ['oct', 'retina'],
  pneumoniamnist: ['xray', 'chest'],
  retinamnist: ['fundus-camera', 'retina'],
  breastmnist: ['ultrasound', 'breast'],
  bloodmnist: ['microscope', 'blood'],
  tissuemnist: ['microscope', 'kidney'],
  organamnist: ['ct', 'abdomen'],
  organcmnist: ['ct', 'abdomen'],
  organsmnist: ['ct', 'abdomen'],
  organmnist3d: ['ct', 'abdomen'],
  nodulemnist3d: ['ct', 'chest'],
  adrenalmnist3d: ['ct', 'abdomen'],
  fracturemnist3d: ['ct', 'chest'],
  vesselmnist3d: ['mri', 'brain'],
  synapsemnist3d: ['electron-microscope', 'brain'],
};

/** The 18 sets: 12 of images, 6 of volumes. */
export const MEDMNIST_SETS: Readonly<Record<string, MedmnistSet>> = Object.fromEntries(
  Object.entries(MEDMNIST_INFO).map(([name, info]) => {
    const [modality, bodyPart] = IMAGED[name]!;
    return [name, { ...info, modality, bodyPart }];
  }),
);

export interface NamedMedmnistSet {
  name: string;
  size: MedmnistSize;
  set: MedmnistSet;
}

/** The set a file such as `pneumoniamnist.npz` or `pneumoniamnist_64.npz` claims to be; undefined for other names. */
export function medmnistSetOf(file: string): NamedMedmnistSet | undefined {
  const [, name, size = '28'] = /(?:^|\/)([a-z0-9]+)(?:_(64|128|224))?\.npz$/.exec(file) ?? [];
  const set = name !== undefined && Object.hasOwn(MEDMNIST_SETS, name) ? MEDMNIST_SETS[name] : undefined;
  return name !== undefined && set ? { name, size: size as MedmnistSize, set } : undefined;
}

/** The file of the newest release that has this checksum, whatever it is called here. */
export function medmnistSetByMd5(md5: string): NamedMedmnistSet | undefined {
  for (const [name, set] of Object.entries(MEDMNIST_SETS)) {
    for (const [size, expected] of Object.entries(set.md5))
      if (expected === md5) return { name, size: size as MedmnistSize, set };
  }
  return undefined;
}

/** Which set and which earlier releases of medmnist gave this checksum. */
export function formerMedmnistSet(md5: string): { name: string; releases: string } | undefined {
  for (const [name, { formerMd5 }] of Object.entries(MEDMNIST_SETS)) {
    const releases = formerMd5[md5];
    if (releases !== undefined) return { name, releases };
  }
  return undefined;
}
