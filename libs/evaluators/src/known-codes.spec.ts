import { type ImageRecord, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { codeNames, knownCodes } from './known-codes.js';
import { matrixOf } from './matrix.js';

const record = (modality: string, bodyPart: string): ImageRecord => ({
  id: '0'.repeat(16),
  subject: 's',
  split: 'train',
  modality,
  bodyPart,
  shape: [1, 1, 1],
  pixelType: 'uint8',
  labels: {},
  source: sha256('source'),
  tensor: 't',
  row: 0,
});

const records = [record('ct', 'head'), record('mr', 'head'), record('ct', 'knee'), record('mr', 'knee')];
const classes = (...of: number[]) => ({ kind: 'multi-class' as const, classes: of });
const told = { codeDropout: { modality: 0.2, bodyPart: 0.2 } };

describe('knownCodes', () => {
  it('withholds the code that gives the label away', () => {
    expect(knownCodes(told, records, classes(0, 0, 1, 1))).toEqual({ modality: true, bodyPart: false });
    expect(knownCodes(told, records, classes(0, 1, 0, 1))).toEqual({ modality: false, bodyPart: true });
  });

  it('withholds what training withheld', () => {
    expect(knownCodes({ codeDropout: { modality: 0.2, bodyPart: 1 } }, records, classes(0, 1, 1, 0))).toEqual(
      {
        modality: true,
        bodyPart: false,
      },
    );
  });

  it('withholds the code that gives all labels of a multi-label task away', () => {
    const flags = matrixOf([
      [1, 1],
      [1, 1],
      [1, 0],
      [1, 0],
    ]);
    expect(knownCodes(told, records, { kind: 'multi-label', flags })).toEqual({
      modality: true,
      bodyPart: false,
    });
  });

  it('tells a code that is the same for every image: it gives nothing away', () => {
    const one = [record('ct', 'head'), record('ct', 'head')];
    expect(knownCodes(told, one, classes(1, 1))).toEqual({ modality: true, bodyPart: true });
  });
});

describe('codeNames', () => {
  it('names only what is known', () => {
    expect(codeNames({ modality: true, bodyPart: false }, records.slice(0, 2))).toEqual({
      modality: ['ct', 'mr'],
    });
  });
});
