import type { Split } from '@medformer/schema';
import type { MriSequence } from './modality/mri.js';
import type { PoseSpread } from './pose.js';
import type { BodyPart } from './region.js';

export const MODALITIES = ['xray', 'ct', 'mri', 'pet'] as const;
export type Modality = (typeof MODALITIES)[number];

/** What pictures are taken in, where it is not the usual 28 a side. */
export interface ScanShapes {
  /** Rows and columns. */
  imageShape?: readonly [number, number] | undefined;
  /** Slices, rows and columns. */
  volumeShape?: readonly [number, number, number] | undefined;
}

/** What pictures may be taken, and how patients lie for them. */
export interface Imaging<Kind extends Modality = Modality> {
  modalities: readonly Kind[];
  /** Of MR images. */
  sequences: readonly MriSequence[];
  spread?: PoseSpread;
}

/** One image or volume of one patient, as a scanner would export it. */
export interface PhantomScan {
  /** Patient, e.g. `phantom-0001`. */
  subject: string;
  modality: Modality;
  /** MR sequence, or `soft` for a soft-tissue window; `static` or `projection` where there is only one way. */
  protocol: MriSequence | 'soft' | 'hounsfield' | 'static' | 'projection';
  bodyPart: BodyPart;
  /** Classification tasks: `region` (10 classes) and `lesion` (4 classes); in a cohort of groups also `group`. */
  labels: { region: string; lesion: string; group?: string };
  /** Where the cohort says who is trained on. */
  split?: Split;
  /** `[height, width]` or `[depth, height, width]`. */
  shape: number[];
  /** Distance of neighbouring samples along each axis of `shape`, mm. */
  spacingMm: number[];
  /**
   * Row-major. Images: display grey values, uint8. Volumes: int16 in Hounsfield units (CT), arbitrary signal units
   * (MRI) or 1/100 SUV (PET), columns to the patient's right, rows to the front, slices to the head (RAS).
   */
  voxels: Uint8Array | Int16Array;
}
