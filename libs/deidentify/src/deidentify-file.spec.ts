import { createHash } from 'node:crypto';
import { crc32, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { AuditLog, auditedFile } from './audit.js';
import { cleanLabels } from './clean-labels.js';
import { deidentifyFile, deidentifyNiftiPair } from './deidentify-file.js';
import { profileOf } from './profile.js';

const SECRET = 'Okonkwo^Ada 1CT1';
const profile = profileOf({ key: 'a key of these tests' });
const clean = (bytes: Buffer, path: string) => deidentifyFile(bytes, path, profile);
const secretFree = (bytes: Buffer) => !bytes.toString('latin1').includes(SECRET);

function nifti(version: 1 | 2, little: boolean): Buffer {
  const size = version === 1 ? 348 : 540;
  const bytes = Buffer.alloc(size + 4 + 32 + 24 + 64, 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const offset = size + 4 + 32;
  view.setInt32(0, size, little);
  if (version === 1) {
    bytes.write(SECRET.slice(0, 18), 14);
    for (const [axis, edge] of [3, 2, 3, 4].entries()) view.setInt16(40 + 2 * axis, edge, little);
    view.setInt16(70, 2, little);
    view.setInt16(72, 8, little);
    view.setFloat32(108, offset, little);
    bytes.write(SECRET, 148);
    bytes.write(SECRET, 228);
    bytes.write(SECRET, 328);
    bytes.write('n+1\0', 344, 'latin1');
    view.setFloat32(280, -1.5, little);
  } else {
    bytes.write('n+2\0\r\n\x1a\n', 4, 'latin1');
    for (const [axis, edge] of [3, 2, 3, 4].entries()) view.setBigInt64(16 + 8 * axis, BigInt(edge), little);
    view.setInt16(12, 2, little);
    view.setInt16(14, 8, little);
    view.setBigInt64(168, BigInt(offset), little);
    bytes.write(SECRET, 240);
    bytes.write(SECRET, 320);
    bytes.write(SECRET.slice(0, 16), 508);
    view.setFloat64(400, -1.5, little);
  }
  bytes[size] = 1;
  view.setInt32(size + 4, 32, little);
  view.setInt32(size + 8, 6, little);
  bytes.write(SECRET, size + 12);
  for (let voxel = 0; voxel < 24; voxel += 1) bytes[offset + voxel] = voxel + 1;
  bytes.write(SECRET, offset + 24);
  return bytes;
}

describe('a NIfTI file', () => {
  it.each([
    [1, true],
    [1, false],
    [2, true],
    [2, false],
  ] as const)(
    'of version %i, little-endian: %s, loses text, extensions and its tail; geometry and voxels stay',
    (version, little) => {
      const { bytes, outcome, path } = clean(nifti(version, little), 'Okonkwo Ada/scan.nii');
      expect(secretFree(bytes)).toBe(true);
      expect(path).toMatch(/^[0-9a-f]{16}\/[0-9a-f]{16}\.nii$/);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const offset = version === 1 ? view.getFloat32(108, little) : Number(view.getBigInt64(168, little));
      expect([...bytes.subarray(offset)]).toEqual(Array.from({ length: 24 }, (_, voxel) => voxel + 1));
      expect(version === 1 ? view.getFloat32(280, little) : view.getFloat64(400, little)).toBe(-1.5);
      expect(outcome.actions).toMatchObject({
        descrip: { Z: 1 },
        extension: { X: 1 },
        'trailing bytes': { X: 1 },
      });
      const packed = clean(gzipSync(nifti(version, little)), 'scan.nii.gz');
      expect(gunzipSync(packed.bytes).equals(bytes)).toBe(true);
      expect(packed.path).toMatch(/\.nii\.gz$/);
    },
  );

  it('of two files loses the same, and the pair stays a pair', () => {
    const whole = nifti(1, true);
    whole.write('ni1\0', 344, 'latin1');
    whole.writeFloatLE(0, 108);
    const voxels = Buffer.from([...Array(24).keys(), ...Buffer.from(SECRET)]);
    const { hdr, img } = deidentifyNiftiPair(whole.subarray(0, 380), voxels, 'ada/a.hdr', profile);
    expect(secretFree(hdr.bytes) && secretFree(img.bytes)).toBe(true);
    expect([...img.bytes]).toEqual([...Array(24).keys()]);
    expect(hdr.path.replace('.hdr', '')).toBe(img.path.replace('.img', ''));
  });

  it('is refused as Analyze 7.5, and where its sizes do not fit', () => {
    const analyze = nifti(1, true);
    analyze.fill(0, 344, 348);
    expect(() => clean(analyze, 'a.nii')).toThrow(
      /magic: expected NIfTI-1 or NIfTI-2, found another file, perhaps Analyze/,
    );
    expect(() => clean(nifti(1, true).subarray(0, 390), 'a.nii')).toThrow(
      /dim: expected sizes that fit the file/,
    );
  });
});

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, crc]);
}

describe('a PNG', () => {
  const header = chunk('IHDR', Buffer.from([0, 0, 0, 2, 0, 0, 0, 2, 8, 0, 0, 0, 0]));
  const pixels = chunk('IDAT', deflateSync(Buffer.from([0, 1, 2, 0, 3, 4])));
  const end = chunk('IEND', Buffer.alloc(0));
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

  it('loses text, times, EXIF, profiles, unknown chunks and what follows it; the rest stays byte for byte', () => {
    const secrets = ['tEXt', 'zTXt', 'iTXt', 'eXIf', 'tIME', 'iCCP', 'prIv'].map((type) =>
      chunk(type, Buffer.from(SECRET)),
    );
    const { bytes, outcome } = clean(
      Buffer.concat([
        signature,
        header,
        ...secrets,
        pixels,
        chunk('tEXt', Buffer.from(SECRET)),
        end,
        Buffer.from(SECRET),
      ]),
      'a.png',
    );
    expect(bytes.equals(Buffer.concat([signature, header, pixels, end]))).toBe(true);
    expect(outcome.actions).toMatchObject({ tEXt: { X: 2 }, eXIf: { X: 1 }, 'unknown chunk': { X: 1 } });
  });

  it('is refused without its end', () => {
    expect(() => clean(Buffer.concat([signature, header, pixels]), 'a.png')).toThrow(/chunks up to IEND/);
  });
});

describe('a JPEG', () => {
  const segment = (marker: number, data: Buffer) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(data.length + 2);
    return Buffer.concat([Buffer.from([0xff, marker]), length, data]);
  };
  const scan = Buffer.concat([
    segment(0xda, Buffer.from([1, 1, 0, 0, 63, 0])),
    Buffer.from([1, 0xff, 0, 2, 0xff, 0xd0, 3]),
  ]);
  const tables = segment(0xdb, Buffer.alloc(65, 1));
  const adobe = segment(0xee, Buffer.from('Adobe\0d\0\0\0\0\x01', 'latin1'));
  const jfif = segment(0xe0, Buffer.from('JFIF\0\x01\x01\0\0\x01\0\x01\0\0', 'latin1'));

  it('loses comments, EXIF, XMP, profiles, thumbnails and what follows it; the image stays byte for byte', () => {
    const thumbnail = segment(
      0xe0,
      Buffer.concat([jfif.subarray(4, 16), Buffer.from([2, 3]), Buffer.from(SECRET)]),
    );
    const { bytes, outcome } = clean(
      Buffer.concat([
        Buffer.from([0xff, 0xd8]),
        thumbnail,
        segment(0xe1, Buffer.from(`Exif\0\0${SECRET}`)),
        segment(0xe1, Buffer.from(`http://ns.adobe.com/xap/1.0/\0${SECRET}`)),
        segment(0xe2, Buffer.from(`ICC_PROFILE\0${SECRET}`)),
        segment(0xed, Buffer.from(`Photoshop 3.0\0${SECRET}`)),
        adobe,
        tables,
        segment(0xfe, Buffer.from(SECRET)),
        scan,
        tables,
        scan,
        Buffer.from([0xff, 0xd9]),
        Buffer.from(SECRET),
      ]),
      'a.jpg',
    );
    const expected = [
      Buffer.from([0xff, 0xd8]),
      jfif,
      adobe,
      tables,
      scan,
      tables,
      scan,
      Buffer.from([0xff, 0xd9]),
    ];
    expect(bytes.equals(Buffer.concat(expected))).toBe(true);
    expect(outcome.actions).toMatchObject({ APP1: { X: 2 }, APP0: { C: 1 }, COM: { X: 1 } });
  });
});

describe('a TIFF', () => {
  /** Two pages of one strip each, every other field with the secret. */
  function tiff(little: boolean): Buffer {
    const out = Buffer.alloc(600);
    const put = (at: number, value: number, bytes: 2 | 4) =>
      little ? out.writeUIntLE(value, at, bytes) : out.writeUIntBE(value, at, bytes);
    out.write(little ? 'II*\0' : 'MM\0*', 0, 'latin1');
    put(4, 8, 4);
    for (const [page, at] of [8, 300].entries()) {
      const fields: [number, number, number, number][] = [
        [256, 3, 1, 2],
        [257, 3, 1, 2],
        [258, 3, 1, 8],
        [270, 2, SECRET.length, at + 200],
        [273, 4, 1, at + 180],
        [277, 3, 1, 1],
        [279, 4, 1, 4],
        [306, 2, SECRET.length, at + 200],
        [34665, 4, 1, at + 200],
      ];
      put(at, fields.length, 2);
      for (const [index, [tag, type, count, value]] of fields.entries()) {
        const entry = at + 2 + 12 * index;
        put(entry, tag, 2);
        put(entry + 2, type, 2);
        put(entry + 4, count, 4);
        put(entry + 8, value, type === 3 ? 2 : 4);
      }
      put(at + 2 + 12 * fields.length, page === 0 ? 300 : 0, 4);
      out.set([page, 1, 2, 3], at + 180);
      out.write(SECRET, at + 200);
    }
    return out;
  }

  it.each([true, false])(
    'loses descriptions, dates and EXIF on every page; pixels stay (little-endian: %s)',
    (little) => {
      const { bytes, outcome } = clean(tiff(little), 'a.tif');
      expect(secretFree(bytes)).toBe(true);
      expect(outcome.actions).toEqual({ DateTime: { X: 2 }, EXIF: { X: 2 }, ImageDescription: { X: 2 } });
      for (const page of [0, 1]) expect(bytes.includes(Buffer.from([page, 1, 2, 3]))).toBe(true);
      expect(clean(bytes, 'a.tif').bytes.equals(bytes)).toBe(true);
    },
  );
});

describe('other files', () => {
  it('are refused whatever they are called', () => {
    expect(() => clean(Buffer.from(SECRET), 'notes.doc')).toThrow(
      /format: expected DICOM, NIfTI, PNG, JPEG or TIFF, found another file/,
    );
    expect(() => clean(Buffer.from(SECRET), 'a.png')).toThrow(/found a \.png file of other content/);
  });
});

describe('labels.csv', () => {
  it('keeps known columns and those asked for, under new paths and pseudonyms, without rows of absent files', () => {
    const table = `file,subject,name,finding\na.png,P1,"Okonkwo, Ada",yes\nb.png,P2,Bo,no\n`;
    const paths = new Map([['a.png', '0f.png']]);
    const options = { key: profile.key, columns: ['finding'], file: 'labels.csv' };
    expect(cleanLabels(Buffer.from(table), paths, options)).toMatch(
      /^file,subject,finding\n0f\.png,[0-9a-f]{32},yes\n$/,
    );
    expect(() => cleanLabels(Buffer.from('file,"x'), paths, options)).toThrow(
      /table: expected comma-separated values/,
    );
  });
});

describe('an audit', () => {
  it('counts files once, shares outcomes, and holds no hash of an original without the key', () => {
    const log = new AuditLog(profile);
    const original = nifti(1, true);
    const cleaned = clean(original, 'a.nii');
    const { outcome } = cleaned;
    log.add(auditedFile(profile.key, original, cleaned));
    log.add(auditedFile(profile.key, original, cleaned));
    log.add(auditedFile(profile.key, Buffer.from('other'), cleaned));
    const [record] = log.records();
    expect(record).toMatchObject({ profile: 'ps3.15-basic-v1', tableEdition: '2026d', outcomes: [outcome] });
    expect(record!.files.map((file) => file.outcome)).toEqual([0, 0]);
    expect(JSON.stringify(record)).not.toContain(createHash('sha256').update(original).digest('hex'));
    expect(log.records(1).map(({ files }) => files.length)).toEqual([1, 1]);
  });
});
