import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { decodeDicom } from './decode-dicom.js';

const GOLDEN = new URL('../../golden/', import.meta.url);

describe('decodeDicom', () => {
  const file = (name: string) => readFile(new URL(name, GOLDEN));
  const golden = (name: string) => file(`dicom/${name}`);
  it.each<[what: string, bytes: () => Promise<Buffer>, says: RegExp]>([
    [
      'a video',
      async () => replace(await file('implicit.dcm'), '1.2.840.10008.1.2', '1.2.840.10008.9.2'),
      /TransferSyntaxUID: expected .*, found 1\.2\.840\.10008\.9\.2/,
    ],
    [
      'truncated pixels',
      () => file('refused-MR_truncated.dcm'),
      /PixelData: expected 8192 bytes, found 8130/,
    ],
    ['a file without preamble', async () => Buffer.alloc(500), /preamble: expected DICM at byte 128/],
    [
      'a map that shows no patient',
      async () => replace(await file('implicit.dcm'), 'CT', 'KO'),
      /\(0008,0060\) Modality: expected CT, MR, .*, found KO/,
    ],
    [
      'ultrasound that does not say whether names are written on it',
      async () => replace(await file('implicit.dcm'), 'CT', 'US'),
      /\(0028,0301\) BurnedInAnnotation: expected NO: .*, found nothing, in an image of a kind/,
    ],
    [
      'colours of one sample',
      async () => replace(await file('implicit.dcm'), 'MONOCHROME2 ', 'YBR_FULL_422'),
      /PhotometricInterpretation: expected .*, found YBR_FULL_422 with 1 samples/,
    ],
    [
      'a codestream of another size',
      async () =>
        set(await golden('jpeg-ls-lossless-u8.dcm'), (bytes) => {
          const at = bytes.indexOf(Buffer.from([0x28, 0, 0x10, 0, 0x55, 0x53]));
          bytes.writeUInt16LE(36, at + 8);
        }),
      /PixelData, JPEG-LS Lossless, frame 1: expected 36 x 45 pixels of 1 samples, found 37 x 45/,
    ],
  ])('refuses %s, naming the attribute', async (_, bytes, says) => {
    const data = await bytes();
    await expect(decodeDicom(data, 'slice.dcm')).rejects.toThrow(says);
    await expect(decodeDicom(data, 'slice.dcm')).rejects.toThrow(/^slice\.dcm: /);
  });

  it('refuses every truncation of a file and never names its patient', async () => {
    const whole = await file('signed-16-rescaled.dcm');
    for (let length = 0; length < whole.length; length += 7) {
      const cut = decodeDicom(whole.subarray(0, length), 'cut.dcm');
      const error = await cut.then(
        () => new Error('taken'),
        (thrown: Error) => thrown,
      );
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(error.message).toMatch(/^cut\.dcm: .*expected .*, found/);
      expect(error.message).not.toMatch(/secret/i);
    }
  });

  it('reads a deflated data set past a preamble that looks like elements', async () => {
    const empty = await golden('deflated-u16.dcm');
    // (0028,0010) Rows as explicit US with the value 1, and text as of a TIFF that is a DICOM file too.
    const preamble = Buffer.concat([
      Buffer.from([0x28, 0, 0x10, 0, 0x55, 0x53, 2, 0, 1, 0]),
      Buffer.alloc(118, 'II*'),
    ]);
    const written = Buffer.concat([preamble, empty.subarray(128)]);
    expect(await decodeDicom(written, 'x')).toEqual(await decodeDicom(empty, 'x'));
  });

  it('takes pixels that the de-identification has passed by its profile', async () => {
    const ultrasound = replace(await file('implicit.dcm'), 'CT', 'US');
    expect((await decodeDicom(ultrasound, 'x', true)).modality).toBe('ultrasound');
  });

  it('tells a listed body part and no other', async () => {
    const chest = await file('implicit.dcm');
    expect((await decodeDicom(chest, 'x')).bodyPart).toBe('chest');
    expect((await decodeDicom(replace(chest, 'CHEST ', 'SMITHJ'), 'x')).bodyPart).toBeUndefined();
  });

  it('keeps what codecs say to itself', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { decodeDicom } from '@medformer/imaging';
       import { readFileSync } from 'node:fs';
       for (const name of ['jpeg-2000-u8', 'jpeg-ls-near-u8', 'jpeg-baseline-u8', 'htj2k-lossless-u8'])
         await decodeDicom(readFileSync('golden/dicom/' + name + '.dcm'), name);`,
      ],
      { cwd: new URL('../../', import.meta.url) },
    );
    expect(stdout).toBe('');
  });
});

function replace(file: Buffer, text: string, by: string): Buffer {
  const at = file.lastIndexOf(text);
  expect(at).toBeGreaterThan(0);
  const copy = Buffer.from(file);
  copy.write(by, at, 'latin1');
  return copy;
}

function set(file: Buffer, change: (file: Buffer) => unknown): Buffer {
  change(file);
  return file;
}
