import { remapUid } from '../keyed.js';
import { type DataSet, type Element, textOf } from './read-data-set.js';

const TEXTS: Readonly<Record<string, string>> = {
  AE: 'ANONYMIZED',
  AS: '000D',
  CS: 'ANONYMIZED',
  DA: '19000101',
  DS: '0',
  DT: '19000101000000',
  IS: '0',
  LO: 'ANONYMIZED',
  LT: 'ANONYMIZED',
  PN: 'ANONYMIZED',
  SH: 'ANONYMIZED',
  ST: 'ANONYMIZED',
  TM: '000000',
  UC: 'ANONYMIZED',
  UR: 'urn:anonymized',
  UT: 'ANONYMIZED',
};
const BYTES: Readonly<Record<string, number>> = {
  AT: 4,
  FD: 8,
  FL: 4,
  OD: 8,
  OF: 4,
  OL: 4,
  OV: 8,
  SL: 4,
  SS: 2,
  SV: 8,
  UL: 4,
  US: 2,
  UV: 8,
};

/** A value of the representation that stands for none (action D): not empty, the same for everyone, UIDs apart. */
export function dummyValue(vr: string, data: DataSet, element: Element, key: string): Buffer {
  if (vr === 'UI') return Buffer.from(remapUid(key, textOf(data, element)), 'latin1');
  const text = TEXTS[vr];
  return text === undefined ? Buffer.alloc(BYTES[vr] ?? 2) : Buffer.from(text, 'latin1');
}
