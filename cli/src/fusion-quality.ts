import { AugmentationServiceService } from '@medformer/gen/augmentation';
import {
  FUSION_QUALITY_LEGEND,
  FusionQuality,
  fusionQualityTable,
  MedformerError,
  parseRecord,
} from '@medformer/schema';
import type { Context } from './context.js';
import type { Spec } from './spec-file.js';
import { table } from './terminal.js';

export interface MeasuredFusions {
  /** Content address of the record. */
  quality: string;
  record: FusionQuality;
}

export interface FusionsToMeasure {
  dataset: string;
  spec: Spec;
  /** Of each number of patients. */
  count: number;
  checkpoint?: string;
  /** Only images with so many spatial axes. */
  dimensions?: number;
}

/** Measures fusions with live progress; what was measured before is found. */
export async function measureFusions(
  { connection, terminal }: Context,
  { dataset, spec, count, checkpoint = '', dimensions = 0 }: FusionsToMeasure,
): Promise<MeasuredFusions> {
  const progress = terminal.progress('fusions');
  const request = { dataset, spec, count, checkpoint, dimensions };
  try {
    for await (const { event } of connection.serverStream(
      AugmentationServiceService.measureFusions,
      request,
    )) {
      if (event?.$case === 'progress') {
        progress.update(Number(event.value.done), Number(event.value.total), event.value.stage);
      } else if (event?.$case === 'finished') {
        const { quality, record } = event.value;
        return { quality, record: parseRecord(FusionQuality, record, `fusion quality ${quality}`) };
      }
    }
  } finally {
    progress.stop();
  }
  throw new MedformerError('DATA_LOSS', 'the service ended without the quality of the fusions');
}

/** A row per record and number of patients, below it what the columns say. */
export function fusionQualityText(records: readonly FusionQuality[]): string {
  const { head, rows } = fusionQualityTable(records);
  const legend = FUSION_QUALITY_LEGEND.map(([column, meaning]) => `${column}: ${meaning}`);
  const synthetic = records.some((record) => record.synthetic);
  return [
    table(head, rows),
    ...legend,
    ...(synthetic ? ['SYNTHETIC images: nothing here is of a patient.'] : []),
  ].join('\n');
}
