import { describe, expect, it } from 'vitest';
import { auc, rocAuc } from './auc.js';
import { matrixOf } from './matrix.js';

describe('rocAuc', () => {
  it('counts ties between a positive and a negative half', () => {
    expect(rocAuc([0.2, 0.5, 0.5, 0.9], (image) => image >= 2)).toBe(0.875);
  });

  it('is one half when all scores are equal', () => {
    expect(rocAuc([1, 1, 1, 1], (image) => image === 0)).toBe(0.5);
  });

  it('is undefined when positives are missing', () => {
    expect(rocAuc([0.1, 0.2], () => false)).toBeUndefined();
  });

  it('refuses NaN, naming the image', () => {
    expect(() => rocAuc([0.1, Number.NaN], (image) => image === 0)).toThrow(/image 1: expected a number/);
  });
});

describe('auc', () => {
  const scores = matrixOf([
    [0.9, 0.1],
    [0.4, 0.6],
  ]);

  it('reads a binary task from the last column', () => {
    expect(auc(scores, { kind: 'binary', classes: [0, 1] })).toBe(1);
    expect(auc(scores, { kind: 'binary', classes: [1, 0] })).toBe(0);
  });

  it('refuses labels of one class only', () => {
    expect(() => auc(scores, { kind: 'multi-class', classes: [1, 1] })).toThrow(/AUC is undefined/);
  });

  it('refuses a label beyond the score columns', () => {
    expect(() => auc(scores, { kind: 'multi-class', classes: [0, 2] })).toThrow(
      /label of image 1: expected an integer below 2, found 2/,
    );
  });

  it('refuses another number of labels than rows', () => {
    expect(() => auc(scores, { kind: 'multi-class', classes: [0] })).toThrow(/rows: expected 1/);
  });
});
