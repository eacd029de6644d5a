import type { MriSequence } from './modality/mri.js';
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

/** One image or volume of one patient, as a scanner would export it. */
export interface PhantomScan {
  /** Patient, e.g. `phantom-0001`. */
  subject: string;
  modality: Modality;
  /** MR sequence, or `soft` for a soft-tissue window; `static` or `projection` where there is only one way. */
  protocol: MriSequence | 'soft' | 'hounsfield' | 'static' | 'projection';
  bodyPart: BodyPart;
  /** Classification tasks: `region` (10 classes) and `lesion` (4 classes). */
  labels: { region: string; lesion: string };
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
