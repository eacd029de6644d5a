import type { CheckpointRecord, DatasetManifest, FusionQuality, ScoreReport } from '@medformer/schema';

/** Pictures shown beside the scores: the source image first, then its views, or whatever `names` says. */
export interface SampleImages {
  caption: string;
  /** `data:image/png;base64,…` */
  images: string[];
  /** What each picture is. */
  names?: string[];
}

/** What the section about fusions shows. */
export interface ShownFusions {
  /** With the content address of each record. */
  qualities: { hash: string; quality: FusionQuality }[];
  panels: SampleImages[];
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
  fusions?: ShownFusions;
}
