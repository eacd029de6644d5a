import type { DatasetDifference, DatasetVerification } from '@medformer/dataset';
import type { Profile } from '@medformer/deidentify';
import type { Refusal, SourceFile } from '@medformer/imaging';
import type { CollectOptions, Garbage, ObjectStoreConfig } from '@medformer/object-store';
import type { CohortSpec } from '@medformer/phantom';
import type { NormalisationRule, Resampling } from '@medformer/schema';

/** What is ingested: a complete upload, or the phantom cohort, which is generated into `folder` unless it is there. */
export type IngestionSource =
  | { kind: 'upload'; folder: string; files: SourceFile[] }
  | { kind: 'phantom'; folder: string; cohort: CohortSpec };

export interface IngestionInput {
  store: ObjectStoreConfig;
  name: string;
  description: string;
  source: IngestionSource;
  options: {
    modality?: string;
    bodyPart?: string;
    splitSeed: number;
    valFraction: number;
    testFraction: number;
    skipBadFiles: boolean;
    allowMd5Mismatch: boolean;
    normalisation?: Record<string, NormalisationRule>;
    resampling?: Resampling;
  };
  pseudonymKey: string;
  /** How DICOM files of an upload are cleaned. */
  deidentification: Profile;
  maxArchiveBytes: number;
  maxShardBytes: number;
  codeVersion: string;
}

export interface IngestionProgress {
  stage: 'generate' | 'read' | 'write';
  done: number;
  total: number;
  unit: string;
  perSecond: number;
  etaSeconds: number;
}

export type IngestionEvent =
  | { type: 'progress'; progress: IngestionProgress }
  | { type: 'refused'; refusal: Refusal };

export interface IngestionOutput {
  name: string;
  manifest: string;
  images: number;
  subjects: number;
  alreadyPresent: boolean;
}

/** A dataset by reference, in the store where it is. */
interface InStore<References extends string> {
  store: ObjectStoreConfig;
  references: Record<References, string>;
}

export interface DatasetPageOptions {
  perKind: number;
  limit: number;
  edge: number;
  seed: number;
}

export interface DatasetPageProgress {
  stage: 'search' | 'draw';
  done: number;
  total: number;
}

/** What the ingestion process answers. */
export type IngestionCalls = {
  ingest: { input: IngestionInput; output: IngestionOutput; progress: IngestionEvent };
  diff: { input: InStore<'before' | 'after'>; output: DatasetDifference };
  verify: {
    input: InStore<'dataset'>;
    output: DatasetVerification & { manifest: string };
    progress: { shards: number; total: number };
  };
  collect: { input: { store: ObjectStoreConfig; options: CollectOptions }; output: Garbage };
  page: {
    input: InStore<'dataset'> & { options: DatasetPageOptions };
    output: { html: string };
    progress: DatasetPageProgress;
  };
};
