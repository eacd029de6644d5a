import { toMedformerError } from '@medformer/schema';

/**
 * How work that threw ended, as a metric's label: `cancelled` by its caller or its deadline, `refused` when what was asked
 * cannot be done, else `failed`.
 */
export function failureOutcome(thrown: unknown): 'cancelled' | 'refused' | 'failed' {
  switch (toMedformerError(thrown).code) {
    case 'CANCELLED':
    case 'DEADLINE_EXCEEDED':
      return 'cancelled';
    case 'INVALID_ARGUMENT':
    case 'FAILED_PRECONDITION':
    case 'NOT_FOUND':
      return 'refused';
    default:
      return 'failed';
  }
}
