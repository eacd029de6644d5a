import type { Split, TaskKind } from '@medformer/schema';

/** Edge of a set's images: 28, or a larger one of MedMNIST+. */
export type MedmnistSize = '28' | '64' | '128' | '224';

/** What medmnist's info.py says of a set. */
export interface MedmnistInfo {
  /** As it is written, e.g. `PathMNIST`. */
  title: string;
  kind: TaskKind;
  classes: string[];
  channels: 1 | 3;
  dimensions: 2 | 3;
  images: Record<Split, number>;
  /** Of the images. */
  licence: string;
  md5: Partial<Record<MedmnistSize, string>>;
  /** Checksums that earlier releases gave for files of the same name, and which releases. */
  formerMd5: Record<string, string>;
}

/** A set with what its paper's table says of the images. */
export interface MedmnistSet extends MedmnistInfo {
  modality: string;
  bodyPart: string;
}
