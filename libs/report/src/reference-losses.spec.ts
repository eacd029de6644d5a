import { type CheckpointRecord, type ExpectedLoss, MethodSpec } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { referenceLosses } from './reference-losses.js';

const recordOf = (method: object, expectedLoss?: ExpectedLoss) =>
  ({ spec: { method: MethodSpec.parse(method) }, expectedLoss }) as CheckpointRecord;

describe('referenceLosses', () => {
  it('are the start and the floor that the run recorded, by their names', () => {
    expect(referenceLosses(recordOf({ name: 'barlow-twins' }, { start: 265.2, floor: 5.2 }))).toEqual([
      { value: 265.2, label: 'unrelated views' },
      { value: 5.2, label: 'independent features' },
    ]);
    expect(referenceLosses(recordOf({ name: 'mae', normPix: false }, { floor: 0 }))).toEqual([
      { value: 0, label: 'lowest possible' },
    ]);
  });

  it('are none where the run recorded none', () => {
    expect(referenceLosses(recordOf({ name: 'simclr' }))).toEqual([]);
  });

  it('have a name for the start of every method', () => {
    for (const option of MethodSpec.options) {
      const name = option.shape.name.value;
      const [start] = referenceLosses(
        recordOf({ name, task: 'region', tasks: [{ task: 'region' }] }, { start: 1 }),
      );
      expect(start?.label).toMatch(/\w/);
    }
  });
});
