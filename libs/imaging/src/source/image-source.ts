import type { AuditedFile, Profile } from '@medformer/deidentify';
import type {
  DatasetManifest,
  ImageRecord,
  LabelSpace,
  NormalisationRule,
  Resampling,
} from '@medformer/schema';
import { sha256 } from '@medformer/schema';
import type { SplitFractions } from './split-subjects.js';

/** A file as the caller sent it. */
export interface SourceFile {
  /** Relative, with forward slashes. */
  path: string;
  bytes: number;
  sha256: string;
}

/** A file and where it stands on this machine, which for what an archive held is elsewhere. */
export interface LocatedFile extends SourceFile {
  location: string;
}

export interface SourceOptions {
  /** Used where neither `labels.csv` nor the file says. */
  modality?: string;
  bodyPart?: string;
  splitSeed: number;
  fractions: SplitFractions;
  /** Rules in place of the usual ones, by modality. */
  normalisation?: Record<string, NormalisationRule>;
  /** What every image is brought to; as it came where absent. */
  resampling?: Resampling;
  /** Drop bad files and report them, instead of refusing everything. */
  skipBadFiles: boolean;
  /** Take a file with the name of a MedMNIST set for one whatever its checksum: own data of that form, or an old release. */
  allowMd5Mismatch?: boolean;
  /** True for generated data, whose subject names are kept. */
  synthetic: boolean;
  /** Key of the hash that turns patient identifiers into pseudonyms. */
  pseudonymKey: string;
  /** The most bytes that an archive may declare in all. */
  maxArchiveBytes: number;
  /** What every DICOM file goes through before anything is read of it; absent where the data names nobody. */
  deidentification?: FileDeidentification;
}

export interface FileDeidentification {
  /** What is done, as a content address: part of what determines the result. */
  settings: string;
  profile: Profile;
  /** Takes note of what was done to a file. */
  record(file: AuditedFile): void;
}

/** A file that was left out, and why. */
export interface Refusal {
  path: string;
  reason: string;
}

/** An image ready for a dataset: normalised pixels with all that is known of them. */
export interface SourceImage extends Omit<ImageRecord, 'tensor' | 'row'> {
  pixels: Uint8Array | Uint16Array;
}

/** Images to be ingested, examined as far as it goes without decoding them. */
export interface ImageSource
  extends Pick<DatasetManifest, 'deidentification' | 'normalisation' | 'resampling' | 'splits'> {
  format: 'medmnist-npz' | 'image-folder';
  labelSpaces: LabelSpace[];
  /** The files that count as ingested; documentation beside the images does not. */
  files: SourceFile[];
  /** How many images come at most. */
  total: number;
  /**
   * Decoded and normalised one after the other, in an order that depends on the files only.
   * @throws DrawAgain where bad files that were left out emptied a drawn split: call it again
   */
  images(signal?: AbortSignal): AsyncIterable<SourceImage>;
}

/** The id of an image: what was ingested, and which image of it. */
export function imageId(source: string, frame: string): string {
  return sha256(`${source}/${frame}`).slice(0, 16);
}
