import { createHmac } from 'node:crypto';
import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { shiftTemporal } from './dates.js';
import { keyedDigest, opaqueName, pseudonym, remapUid, shiftDaysOf } from './keyed.js';

const KEY = 'a key of these tests';
const OTHER = 'another key of these tests';
const rng = Rng.of(7, 'identifiers');
const identifiers = Array.from({ length: 500 }, (_, index) => `${index}-${Math.floor(rng.uniform() * 1e9)}`);

describe('what a key makes of identifiers', () => {
  it('is equal for equal ones, another for others, and another under another key, for 500 of them', () => {
    for (const make of [pseudonym, remapUid, opaqueName]) {
      const made = identifiers.map((identifier) => make(KEY, identifier));
      expect(identifiers.map((identifier) => make(KEY, identifier))).toEqual(made);
      expect(new Set(made).size).toBe(identifiers.length);
      expect(identifiers.some((identifier) => made.includes(make(OTHER, identifier)))).toBe(false);
    }
  });

  it('is the pseudonym that ingestion has always given: HMAC-SHA256 of the trimmed PatientID, 32 digits', () => {
    const expected = createHmac('sha256', KEY).update('4MR1').digest('hex').slice(0, 32);
    expect(pseudonym(KEY, ' 4MR1 ')).toBe(expected);
  });

  it('is a UID of DICOM and a UUID of version 8', () => {
    for (const identifier of identifiers) {
      const uid = remapUid(KEY, identifier);
      expect(uid.length).toBeLessThanOrEqual(64);
      const [, decimal] = /^2\.25\.([1-9]\d*)$/.exec(uid)!;
      const hex = BigInt(decimal!).toString(16).padStart(32, '0');
      expect(hex[12]).toBe('8');
      expect('89ab').toContain(hex[16]);
    }
  });

  it('keeps the days between any two dates of a patient', () => {
    const day = (date: string) =>
      Date.UTC(+date.slice(0, 4), +date.slice(4, 6) - 1, +date.slice(6)) / 86_400_000;
    for (const identifier of identifiers) {
      const days = shiftDaysOf(KEY, identifier);
      expect(days).toBeGreaterThanOrEqual(1);
      expect(days).toBeLessThanOrEqual(3652);
      const dates = [0, 1].map(() => {
        const [year, month, date] = [
          1950 + rng.uniform() * 70,
          1 + rng.uniform() * 12,
          1 + rng.uniform() * 28,
        ].map(Math.floor);
        return `${year}${String(month).padStart(2, '0')}${String(date).padStart(2, '0')}`;
      });
      const [first, second] = dates.map((date) => shiftTemporal('DA', date, days)!) as [string, string];
      expect(day(second) - day(first)).toBe(day(dates[1]!) - day(dates[0]!));
    }
    expect(new Set(identifiers.map((identifier) => shiftDaysOf(KEY, identifier))).size).toBeGreaterThan(400);
    expect(
      identifiers.filter((one) => shiftDaysOf(KEY, one) === shiftDaysOf(OTHER, one)).length,
    ).toBeLessThan(5);
  });

  it('is no plain hash of bytes, nor the pseudonym of them', () => {
    const bytes = Buffer.from('1CT1');
    expect(keyedDigest(KEY, bytes)).not.toContain(pseudonym(KEY, '1CT1'));
    expect(keyedDigest(KEY, bytes)).not.toBe(keyedDigest(OTHER, bytes));
  });
});
