import type { CheckpointRecord, DatasetManifest, ScoreReport } from '@medformer/schema';

/** Pictures shown beside the scores: the source image first, then its views. */
export interface SampleImages {
  caption: string;
  /** `data:image/png;base64,…` */
  images: string[];
}

/** Everything the page is made of; no part is fetched by the page itself. */
export interface ReportInput {
  /** Content address of `report`. */
  hash: string;
  report: ScoreReport;
  dataset: DatasetManifest;
  /** The records of the checkpoints that the report names, by address; those missing are shown by address alone. */
  checkpoints: ReadonlyMap<string, CheckpointRecord>;
  samples?: SampleImages[];
}
