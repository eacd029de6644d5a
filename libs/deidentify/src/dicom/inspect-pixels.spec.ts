import { describe, expect, it } from 'vitest';
import { profileOf } from '../profile.js';
import { deidentifyDicom } from './deidentify-dicom.js';
import { encodeElements, type OutputElement } from './encoding.js';
import { readDicomFile, textOf } from './read-data-set.js';

const KEY = 'a key of these tests';
const CT = '1.2.840.10008.5.1.4.1.1.2';
const ULTRASOUND = '1.2.840.10008.5.1.4.1.1.6.1';
const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7';
const EXPLICIT = { explicit: true, littleEndian: true, deflated: false };

/** A data set without a file's header, which readers take too; values by tag, numbers as US. */
function dicom(values: Record<string, string | number | Buffer>, sopClass = CT): Buffer {
  const all: Record<string, string | number | Buffer> = {
    '00080005': 'ISO_IR 192',
    '00080016': sopClass,
    '00080018': '1.2.3.4',
    '00080060': 'CT',
    '00100020': 'P1',
    '00280010': 4,
    '00280011': 4,
    '00280100': 16,
    '7FE00010': Buffer.alloc(32, 7),
    ...values,
  };
  const vrs: Record<string, string> = {
    '00080016': 'UI',
    '00080018': 'UI',
    '00100020': 'LO',
    '00100010': 'PN',
  };
  const elements = Object.entries(all).map(([tag, value]): OutputElement => {
    if (Buffer.isBuffer(value)) return { tag, vr: 'OW', value };
    if (typeof value === 'string')
      return {
        tag,
        vr: vrs[tag] ?? (/^000(80070|81030|81090)/.test(tag) ? 'LO' : 'CS'),
        value: Buffer.from(value),
      };
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16LE(value);
    return { tag, vr: 'US', value: bytes };
  });
  return Buffer.concat(encodeElements(elements, EXPLICIT));
}

const clean = (bytes: Buffer, settings = {}) =>
  deidentifyDicom(bytes, profileOf({ key: KEY, ...settings }), 'a.dcm');
const pixelsOf = (bytes: Buffer) => {
  const { data } = readDicomFile(bytes, 'a.dcm');
  const { dataOffset, length } = data.elements.x7fe00010!;
  return [...data.byteArray.subarray(dataOffset, dataOffset + length)];
};

describe('pixels that show text', () => {
  it.each([
    ['an image that says so', { '00280301': 'YES' }, CT],
    ['an ultrasound image that says nothing', { '00080060': 'US' }, ULTRASOUND],
    ['a secondary capture that says nothing', { '00080060': 'OT' }, SECONDARY_CAPTURE],
    ['angiography that says nothing', { '00080060': 'XA' }, CT],
    ['a photograph that says nothing', { '00080060': 'XC' }, CT],
    ['an endoscopic image that says nothing', { '00080060': 'ES' }, CT],
    ['a scanned paper', { '00080064': 'DF' }, CT],
    ['a screen of a CT', { '00080008': 'DERIVED\\SECONDARY\\SCREEN SAVE' }, CT],
  ])('are refused in %s', (_, values, sopClass) => {
    expect(() => clean(dicom(values as Record<string, string>, sopClass))).toThrow(
      /^a\.dcm: \(0028,0301\) BurnedInAnnotation: expected NO, or a rule/,
    );
  });

  it('are let through where the file says that there are none, or the profile accepts what is unstated', () => {
    const stated = { '00080060': 'US', '00280301': 'NO' };
    expect(clean(dicom(stated, ULTRASOUND)).outcome.notes).toEqual([]);
    const accepted = clean(dicom({ '00080060': 'US' }, ULTRASOUND), { acceptUnstatedPixels: true });
    expect(accepted.outcome.notes).toEqual(['pixels-unstated']);
    expect(() => clean(dicom({ '00280301': 'YES' }), { acceptUnstatedPixels: true })).toThrow(/BurnedIn/);
  });

  it('are blanked where a rule says for the device, and the file then says that none are left', () => {
    const pixelRegions = [
      { modality: 'US', manufacturer: 'acme', rows: 4, blank: [{ left: 1, top: 0, width: 2, height: 2 }] },
    ];
    const values = { '00080060': 'US', '00080070': 'ACME ', '00280301': 'YES' };
    const { bytes, outcome } = clean(dicom(values, ULTRASOUND), { pixelRegions });
    const row = (blanked: boolean) => [7, 7, ...Array(4).fill(blanked ? 0 : 7), 7, 7];
    expect(pixelsOf(bytes)).toEqual([...row(true), ...row(true), ...row(false), ...row(false)]);
    expect(outcome).toMatchObject({ notes: ['pixels-blanked'], codes: expect.arrayContaining(['113101']) });
    const { data } = readDicomFile(bytes, 'a.dcm');
    expect(textOf(data, data.elements.x00280301)).toBe('NO');
    expect(() => clean(dicom({ ...values, '00080070': 'OTHER' }, ULTRASOUND), { pixelRegions })).toThrow(
      /BurnedIn/,
    );
  });
});

describe('faces', () => {
  it('are told of for scans of the head and scans that do not say of what', () => {
    const notes = (values: Record<string, string>) => clean(dicom(values)).outcome.notes;
    expect(notes({ '00180015': 'HEAD' })).toContain('face-may-be-recognisable');
    expect(notes({})).toContain('face-may-be-recognisable');
    expect(notes({ '00180015': 'CHEST' })).not.toContain('face-may-be-recognisable');
    expect(notes({ '00180015': 'CHEST', '00081030': 'CT head and chest' })).toContain(
      'face-may-be-recognisable',
    );
  });
});

describe('objects that attributes alone cannot clean', () => {
  it.each([
    ['88.11', 'a structured report'],
    ['88.59', 'a structured report'],
    ['104.1', 'an encapsulated document'],
    ['11.1', 'a presentation state'],
    ['9.1.1', 'a waveform'],
    ['9.4.1', 'audio'],
    ['66', 'raw data'],
  ])('are refused: class 1.2.840.10008.5.1.4.1.1.%s is %s', (own, what) => {
    expect(() => clean(dicom({}, `1.2.840.10008.5.1.4.1.1.${own}`))).toThrow(
      new RegExp(`SOPClassUID: .*found ${what}`),
    );
  });

  it('are refused where the class is of no standard, which is not named', () => {
    expect(() => clean(dicom({}, '1.3.12.2.1107.5.9.1'))).toThrow(/found no class of the standard$/);
  });

  it('are refused where an overlay stands in spare bits of the pixels', () => {
    expect(() => clean(dicom({ '60000100': 16, '60000102': 12 }))).toThrow(
      /\(6000,0102\) OverlayBitPosition/,
    );
  });
});

describe('attributes that stay', () => {
  it('lose the patient’s name where someone typed it', () => {
    const values = {
      '00100010': 'Okonkwo^Ada',
      '00180015': 'CHEST',
      '00181030': 'Chest Okonkwo',
      '00080070': 'Okonkwo Ltd',
    };
    const { data } = readDicomFile(clean(dicom(values)).bytes, 'a.dcm');
    expect(textOf(data, data.elements.x00180015)).toBe('CHEST');
    expect(data.elements.x00080070).toBeUndefined();
  });

  it('lose values that are not what their representation says', () => {
    const { data } = readDicomFile(
      clean(dicom({ '00180015': 'john smith', '00200012': 'not a number' })).bytes,
      'a.dcm',
    );
    expect(textOf(data, data.elements.x00180015)).toBe('');
    expect(data.elements.x00200012).toBeUndefined();
  });
});
