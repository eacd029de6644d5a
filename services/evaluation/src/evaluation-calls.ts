import type { ObjectStoreConfig } from '@medformer/object-store';
import type { DataReportSpec, EvaluationSpec, PairedTest } from '@medformer/schema';
import type { ReportFile, ReportFormat } from './report-files.js';
import type { SampleTensors } from './sample-pictures.js';

export interface EvaluationProgress {
  /** e.g. `SimCLR: linear probe, seed 1`. */
  stage: string;
  done: number;
  total: number;
}

/** What the evaluation's compute process answers. */
export type EvaluationCalls = {
  /** Scores and stores; the output is the report's address. */
  evaluate: {
    input: { store: ObjectStoreConfig; spec: EvaluationSpec; codeVersion: string; threads?: number };
    output: { report: string };
    progress: EvaluationProgress;
  };
  /** Makes or finds a data report. */
  describe: {
    input: { store: ObjectStoreConfig; spec: DataReportSpec; threads?: number };
    output: { report: string };
    progress: EvaluationProgress;
  };
  /** Makes the files of a report that has none yet. */
  reportFiles: {
    input: { store: ObjectStoreConfig; report: string };
    output: Record<ReportFormat, ReportFile>;
  };
  /** Tests rows of stored reports against the first. */
  compare: {
    input: { store: ObjectStoreConfig; rows: { report: string; row: number }[] };
    output: {
      rows: { label: string; protocol: string; checkpoints: string[]; auc: number; accuracy: number }[];
      tests: PairedTest[];
      images: number;
      subjects: number;
    };
  };
  renderDataReport: {
    input: { store: ObjectStoreConfig; report: string };
    output: { html: string };
  };
  render: {
    input: {
      store: ObjectStoreConfig;
      report: string;
      samples: SampleTensors[];
      /** Addresses of the records of quality, and pictures of fusions. */
      fusions?: { qualities: string[]; panels: SampleTensors[] };
    };
    output: { html: string };
  };
};
