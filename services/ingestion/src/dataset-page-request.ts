import type { RenderDatasetPageRequest } from '@medformer/gen/ingestion';
import { badInput } from '@medformer/schema';
import type { DatasetPageOptions } from './ingestion-calls.js';

/** The request's options with defaults in place of 0. @throws MedformerError INVALID_ARGUMENT naming the field */
export function datasetPageOptions({
  perKind,
  limit,
  edge,
  seed,
}: RenderDatasetPageRequest): DatasetPageOptions {
  return {
    perKind: within('per_kind', perKind || 4, 1, 64),
    limit: within('limit', limit || 200, 1, 500),
    edge: within('edge', edge || 96, 16, 192),
    seed: Number(seed),
  };
}

function within(field: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw badInput({ file: 'request', field, expected: `${least} to ${most}`, found: String(value) });
}
