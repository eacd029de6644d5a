import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { MedformerError, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { shiftTemporal } from '../dates.js';
import { shiftDaysOf } from '../keyed.js';
import { profileOf } from '../profile.js';
import { attributeOf, tableAttributes } from '../table/attribute-table.js';
import { deidentifyDicom } from './deidentify-dicom.js';
import { type DataSet, readDicomFile } from './read-data-set.js';

/** One of tools/golden/deidentification.py's planted values. */
interface Planted {
  where: string;
  tag: string;
  vr: string;
  keyword: string;
  hex: string;
}

const KEY = 'a key of the tests, of no other use';
const profile = profileOf({ key: KEY });
const golden = (name: string) =>
  gunzipSync(readFileSync(fileURLToPath(new URL(`../../golden/${name}.gz`, import.meta.url))));
const planted: Planted[] = JSON.parse(golden('planted.json').toString());
const SYNTAXES = ['implicit-le', 'explicit-le', 'explicit-be', 'deflated'];
const clean = (name: string, by = profile) =>
  deidentifyDicom(golden(`planted-${name}.dcm`), by, `${name}.dcm`);
const parse = (bytes: Uint8Array): DataSet => readDicomFile(bytes, 'test.dcm').data;

/** Kept on purpose: characteristics of the patient and times of day, both by an option. */
function isRetained({ tag, vr, where }: Planted): boolean {
  const { options = {} } = attributeOf(tag) ?? {};
  if (where.includes('/')) return false;
  return (
    options['retain-patient-characteristics'] === 'K' ||
    vr === 'AS' ||
    (vr === 'TM' && options['retain-longitudinal-modified-dates'] === 'C')
  );
}

/** A date that moved may be the one that another attribute had. */
const shiftDays = shiftDaysOf(KEY, parse(golden('planted-explicit-le.dcm')).string('x00100020')!);
const moved = new Set(
  planted
    .filter(({ vr }) => vr === 'DA' || vr === 'DT')
    .map(({ hex }) => shiftTemporal('DA', Buffer.from(hex, 'hex').toString().slice(0, 8), shiftDays)!)
    .map((date) => Buffer.from(date).toString('hex')),
);

/** All elements of all levels, with their path. */
function* everyElement(data: DataSet, path = ''): Generator<{ path: string; tag: string; data: DataSet }> {
  for (const { tag, items } of Object.values(data.elements)) {
    yield { path, tag: tag.slice(1).toUpperCase(), data };
    for (const item of items ?? []) if (item.dataSet) yield* everyElement(item.dataSet, `${path}/${tag}`);
  }
}

describe('a DICOM file with a planted value in every attribute of Table E.1-1', () => {
  it('holds every attribute of the table that can stand in a data set', () => {
    const there = new Set(planted.map(({ tag }) => tag));
    const missing = tableAttributes().filter(
      ({ tag, vrs }) =>
        !there.has(tag) && !vrs.some((vr) => ['SQ', 'US', 'SS', 'UL', 'SL', 'FL', 'FD'].includes(vr)),
    );
    expect(missing.map(({ keyword }) => keyword)).toEqual(['MediaStorageSOPInstanceUID']);
    expect(planted.length).toBeGreaterThan(2500);
  });

  it.each(SYNTAXES)('loses every one of them in %s', (name) => {
    const { bytes } = clean(name);
    const inflated = Buffer.from(parse(bytes).byteArray);
    const found = Buffer.concat([bytes, inflated]).toString('latin1').toLowerCase();
    const left = planted
      .filter((value) => !isRetained(value) && !moved.has(value.hex))
      .filter(({ hex }) => found.includes(Buffer.from(hex, 'hex').toString('latin1').toLowerCase()));
    expect(left).toEqual([]);
  });

  it.each(SYNTAXES)('keeps pixels and transfer syntax in %s', (name) => {
    const before = parse(golden(`planted-${name}.dcm`));
    const after = parse(clean(name).bytes);
    const syntax = (bytes: Uint8Array) => readDicomFile(bytes, 'test.dcm').transferSyntax;
    expect(syntax(clean(name).bytes)).toBe(syntax(golden(`planted-${name}.dcm`)));
    const pixels = (data: DataSet) => {
      const { dataOffset, length } = data.elements.x7fe00010!;
      return sha256(data.byteArray.subarray(dataOffset, dataOffset + length));
    };
    expect(pixels(after)).toBe(pixels(before));
    expect(after.string('x00181210')).toBe('B30f');
    expect(after.string('x00080008')).toBe('ORIGINAL\\PRIMARY\\AXIAL');
  });

  it('loses private attributes, overlays, curves and what PS3.6 does not know, at every depth', () => {
    const odd = [...everyElement(parse(clean('explicit-le').bytes))].filter(
      ({ tag }) =>
        Number.parseInt(tag[3]!, 16) % 2 === 1 || /^(60|50)/.test(tag) || attributeOf(tag) === undefined,
    );
    expect(odd).toEqual([]);
  });

  it('does with every attribute what the table says, with sequences in it cleaned too', () => {
    const data = parse(clean('explicit-le').bytes);
    const nested = data.elements.x00082218!.items![0]!.dataSet!;
    const twice = nested.elements.x00082228!.items![0]!.dataSet!;
    for (const at of [data, nested, twice]) {
      for (const { tag, keyword, action, options, vrs } of tableAttributes()) {
        const element = at.elements[`x${tag.toLowerCase()}`];
        const optional = Object.values(options).length > 0;
        if (action === 'X' && !optional && tag !== '00120063') expect(element, keyword).toBeUndefined();
        if (action === 'Z' && !optional && !['00100010', '00100020'].includes(tag)) {
          expect(element?.length ?? 0, keyword).toBe(0);
        }
        if (action === 'U' && vrs[0] === 'UI' && tag !== '00020003') {
          expect(at.string(`x${tag.toLowerCase()}`), keyword).toMatch(/^2\.25\.\d{20,39}$/);
        }
      }
    }
  });

  it('gives the patient a pseudonym, moves dates by whole days and leaves times', () => {
    const before = parse(golden('planted-explicit-le.dcm'));
    const after = parse(clean('explicit-le').bytes);
    expect(after.string('x00100020')).toMatch(/^[0-9a-f]{32}$/);
    expect(after.string('x00100010')).toBe(after.string('x00100020'));
    expect(after.elements.x00100030!.length).toBe(0);
    const days = (data: DataSet, tag: string) => {
      const [, year, month, day] = /^(....)(..)(..)/.exec(data.string(tag)!)!;
      return Date.UTC(Number(year), Number(month) - 1, Number(day)) / 86_400_000;
    };
    const shift = days(before, 'x00080020') - days(after, 'x00080020');
    expect(shift).toBeGreaterThan(0);
    for (const tag of ['x00080021', 'x00080022', 'x00080023', 'x0008002a', 'x00380020']) {
      expect(days(before, tag) - days(after, tag), tag).toBe(shift);
    }
    expect(after.string('x00080030')).toBe(before.string('x00080030'));
    expect(after.string('x00101010')).toBe('090Y');
  });

  it('says what was done: in the attributes of section E.1.1 and in counts', () => {
    const { bytes, outcome } = clean('explicit-le');
    const data = parse(bytes);
    expect(data.string('x00120062')).toBe('YES');
    expect(data.string('x00120063')).toBe('Medformer ps3.15-basic-v1, PS3.15 2026d');
    expect(data.string('x00280303')).toBe('MODIFIED');
    const codes = data.elements.x00120064!.items!.map(({ dataSet }) => dataSet!.string('x00080100'));
    expect(codes).toEqual(['113100', '113108', '113107', '113105']);
    expect(outcome.codes).toEqual(codes);
    expect(outcome.actions.PatientName).toMatchObject({ D: expect.any(Number) });
    expect(outcome.actions.StudyDate).toEqual({ C: 3 });
    expect(outcome.actions.private!.X).toBeGreaterThanOrEqual(36);
    expect(outcome.actions.unknown).toEqual({ X: 3 });
  });

  it('keeps of descriptions what they say of the imaging', () => {
    expect(parse(clean('explicit-le').bytes).string('x00081030')).toBe('ct chest with contrast');
  });

  it('is the same every time, and another under another key', () => {
    const other = profileOf({ key: 'another key of the tests' });
    expect(clean('explicit-le').bytes.equals(clean('explicit-le').bytes)).toBe(true);
    const values = (by = profile) => {
      const data = parse(clean('explicit-le', by).bytes);
      return ['x00100020', 'x00080018', 'x0020000d', 'x00080020'].map((tag) => data.string(tag));
    };
    const [mine, theirs] = [values(), values(other)];
    for (const [index, value] of mine.entries()) expect(theirs[index]).not.toBe(value);
    expect(clean('explicit-le', other).path).not.toBe(clean('explicit-le').path);
  });

  it('names no value when it refuses', () => {
    const bytes = golden('planted-explicit-le.dcm').subarray(0, 60_000);
    let message = '';
    try {
      deidentifyDicom(bytes, profile, 'a.dcm');
    } catch (error) {
      expect(error).toBeInstanceOf(MedformerError);
      message = (error as Error).message;
    }
    expect(message).toBe(
      'a.dcm: data set: expected a whole DICOM file, found one that cannot be parsed (60000 bytes)',
    );
  });
});
