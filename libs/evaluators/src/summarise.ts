import { MedformerError, type MetricSummary } from '@medformer/schema';

/**
 * Mean and sample standard deviation (n - 1; 0 for one value) of a metric over seeds.
 * @throws MedformerError INVALID_ARGUMENT for an empty list.
 */
export function summarise(values: readonly number[]): MetricSummary {
  if (values.length === 0) {
    throw new MedformerError('INVALID_ARGUMENT', 'summary: values: expected at least one, found none');
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    mean,
    std: values.length === 1 ? 0 : Math.sqrt(squares / (values.length - 1)),
    values: [...values],
  };
}
