import { describe, expect, it } from 'vitest';
import { capAge, checkZone, shiftTemporal } from './dates.js';

describe('shiftTemporal', () => {
  it.each([
    ['DA', '20240301', 1, '20240229'],
    ['DA', '2024.03.01', 366, '20230301'],
    ['DT', '20240101120000.5+0100', 1, '20231231120000.5+0100'],
    ['DT', '202401', 31, '202312'],
    ['DT', '2024', 3652, '2014'],
    ['TM', '235959.123456', 100, '235959.123456'],
  ])('moves %s %s by %i days to %s', (vr, value, days, expected) => {
    expect(shiftTemporal(vr, value, days)).toBe(expected);
  });

  it.each([
    ['DA', '20230229'],
    ['DA', 'Tuesday'],
    ['DA', '2023022'],
    ['DT', '20240101 Smith'],
    ['TM', 'noon'],
    ['LO', '20240101'],
  ])('gives nothing for %s %s, which is none', (vr, value) => {
    expect(shiftTemporal(vr, value, 1)).toBeUndefined();
  });
});

describe('ages and zones', () => {
  it('caps ages over 89 years and leaves others', () => {
    expect(['089Y', '090Y', '112Y', '006M', '012D'].map(capAge)).toEqual([
      '089Y',
      '090Y',
      '090Y',
      '006M',
      '012D',
    ]);
    expect(['9Y', 'old', '0890'].map(capAge)).toEqual([undefined, undefined, undefined]);
  });

  it('takes offsets from UTC alone', () => {
    expect(checkZone('+0930')).toBe('+0930');
    expect(checkZone('Adelaide')).toBeUndefined();
  });
});
