import type { ImageRecord } from '@medformer/schema';

/** Images of one shape; the training data is a list of such groups. */
export interface TrainingGroup {
  /** [height, width, channels] or [depth, height, width, channels]. */
  shape: number[];
  /** [images, ...shape], contiguous. */
  pixels: Uint8Array | Uint16Array;
  records: ImageRecord[];
  /** The task that these images are there for, in a run of several. */
  task?: string;
}
