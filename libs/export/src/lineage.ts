import type { CheckpointRecord, StoredTensor } from '@medformer/schema';

/** What is exported: a checkpoint as it was loaded. */
export interface SourceCheckpoint {
  /** Content address of the record. */
  checkpoint: string;
  record: CheckpointRecord;
  weights: ReadonlyMap<string, StoredTensor>;
}

/** Where a model comes from and what it takes: written into or beside every exported model. */
export function lineageOf({ checkpoint, record }: SourceCheckpoint) {
  return {
    kind: 'medformer.exported-model.v1',
    checkpoint,
    run: record.run,
    dataset: record.dataset,
    codeVersion: record.codeVersion,
    method: record.spec.method.name,
    step: record.step,
    weights: record.weights.map(({ sha256 }) => sha256),
    model: record.model,
    codes: record.codes,
    /** Pixels in this range; the model itself standardises them as (x - mean) / std. */
    input: { range: [0, 1], ...record.input },
  };
}
