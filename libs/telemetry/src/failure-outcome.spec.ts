import { type ErrorCode, MedformerError } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { failureOutcome } from './failure-outcome.js';

describe('failureOutcome', () => {
  it.each<[ErrorCode, string]>([
    ['CANCELLED', 'cancelled'],
    ['DEADLINE_EXCEEDED', 'cancelled'],
    ['INVALID_ARGUMENT', 'refused'],
    ['FAILED_PRECONDITION', 'refused'],
    ['NOT_FOUND', 'refused'],
    ['UNAVAILABLE', 'failed'],
    ['DATA_LOSS', 'failed'],
  ])('of %s is %s', (code, outcome) => {
    expect(failureOutcome(new MedformerError(code, 'why'))).toBe(outcome);
  });

  it('of what no code is known of is failed', () => {
    expect(failureOutcome(new TypeError('x is not a function'))).toBe('failed');
  });
});
