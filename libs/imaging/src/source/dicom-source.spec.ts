import { describe, expect, it } from 'vitest';
import { type Attribute, dicomFile, dicomObject } from '../spec/dicom.js';
import { type Files, readSource } from '../spec/sources.js';

interface SliceSpec {
  z?: number;
  position?: string;
  orientation?: string;
  series?: string;
  size?: [number, number];
  kind?: string;
  patient?: string;
  spacing?: string;
  more?: Attribute[];
}

/** A slice whose pixels tell its place: 1000 z + its index in the plane. */
function slice(spec: SliceSpec): Buffer {
  const { z = 0, size = [2, 3] } = spec;
  const pixels = Uint16Array.from({ length: size[0] * size[1] }, (_, index) => 1000 * z + index);
  return dicomFile(
    [
      ['00080008', 'CS', spec.kind ?? 'ORIGINAL\\PRIMARY\\AXIAL'],
      ['00080060', 'CS', 'CT'],
      ['00100020', 'LO', spec.patient ?? 'P1'],
      ['0020000e', 'UI', spec.series ?? '1.2.3'],
      ['00200032', 'DS', spec.position ?? `0\\0\\${2.5 * z}`],
      ['00200037', 'DS', spec.orientation ?? '1\\0\\0\\0\\1\\0'],
      ['00280030', 'DS', spec.spacing ?? '0.5\\0.75'],
      ['00281052', 'DS', '-1024'],
      ['00281053', 'DS', '1'],
      ...(spec.more ?? []),
    ],
    pixels,
    size,
  );
}

function slices(specs: SliceSpec[]): Files {
  return Object.fromEntries(specs.map((spec, index) => [`ct/IM${index}`, slice(spec)]));
}

const refusing = async (files: Files) => (await readSource(files, { skipBadFiles: true })).refusals;
const LONE = { 'lone.dcm': slice({ series: '9.9', patient: 'P2', z: 9 }) };

describe('openSource on DICOM series', () => {
  it('stacks slices by position, whatever their order and names, to right, anterior, superior', async () => {
    const { images, source } = await readSource(slices([{ z: 2 }, { z: 0 }, { z: 3 }, { z: 1 }]));
    expect(source.total).toBe(1);
    const [volume] = images;
    expect(volume).toMatchObject({ shape: [4, 2, 3, 1], spacingMm: [2.5, 0.5, 0.75], modality: 'ct' });
    const hounsfield = Array.from(volume!.pixels, (pixel) => Math.round((pixel / 65_535) * 2000 - 1000));
    // Columns run to the left and rows to the back in the file: both turn.
    expect(hounsfield.slice(0, 6)).toEqual([5, 4, 3, 2, 1, 0].map((index) => Math.max(-1000, index - 1024)));
    expect(hounsfield.slice(6, 12)).toEqual([5, 4, 3, 2, 1, 0].map((index) => 1000 + index - 1024));
    expect(volume!.normalisation).toEqual([{ step: 'scale', low: -1000, high: 1000 }]);
  });

  it('keeps localizers, single slices and images without a place as images of their own', async () => {
    const { images } = await readSource({
      ...slices([{ z: 0 }, { z: 1 }, { z: 2 }]),
      'scout.dcm': slice({ kind: 'ORIGINAL\\PRIMARY\\LOCALIZER', orientation: '1\\0\\0\\0\\0\\-1', z: 7 }),
      ...LONE,
    });
    expect(images.map(({ shape }) => shape.length).sort()).toEqual([3, 3, 4]);
  });

  it('takes several echoes or times of a series for volumes of their own', async () => {
    const echo = (number: string): Attribute[] => [['00180086', 'IS', number]];
    const { images } = await readSource(
      slices(
        [0, 1, 2].flatMap((z) => [
          { z, more: echo('1') },
          { z, size: [2, 3], more: echo('2') },
        ]),
      ),
    );
    expect(images.map(({ shape }) => shape)).toEqual([
      [3, 2, 3, 1],
      [3, 2, 3, 1],
    ]);
  });

  it.each<[what: string, specs: SliceSpec[], says: RegExp]>([
    [
      'a gap',
      [{ z: 0 }, { z: 1 }, { z: 2 }, { z: 5 }],
      /ct\/series of 4 slices: \(0020,0032\) ImagePositionPatient: expected slices 2\.500 mm apart, found 7\.500 mm between ct\/IM2 and ct\/IM3 \(a gap of 2 slices\)/,
    ],
    [
      'two slices at one place',
      [{ z: 0 }, { z: 1 }, { z: 1, more: [['00181151', 'IS', '7']] }, { z: 2 }],
      /expected every slice at a place of its own, found two at the same: ct\/IM1 and ct\/IM2 \(duplicates\)/,
    ],
    [
      'uneven distances',
      [{ z: 0 }, { z: 1 }, { z: 2 }, { position: '0\\0\\8.1', z: 3 }],
      /found 3\.100 mm between ct\/IM2 and ct\/IM3 \(non-uniform spacing\)/,
    ],
    [
      'a tilted gantry',
      [0, 1, 2, 3].map((z) => ({ z, position: `0\\${0.5 * z}\\${2.5 * z}` })),
      /found a shift of 11\.3 degrees from ct\/IM0 to ct\/IM3 \(gantry tilt\)/,
    ],
    [
      'mixed orientations',
      [{ z: 0 }, { z: 1 }, { z: 2, orientation: '1\\0\\0\\0\\0\\-1' }],
      /ImageOrientationPatient: expected one orientation as of ct\/IM0, found another \(mixed orientations\): ct\/IM2/,
    ],
    [
      'slices of several sizes',
      [{ z: 0 }, { z: 1, size: [3, 2] }],
      /Rows, Columns: expected 2 x 3 as of ct\/IM0, found another size: ct\/IM1/,
    ],
    [
      'pixels of several sizes',
      [{ z: 0 }, { z: 1, spacing: '0.5\\0.5' }],
      /PixelSpacing: expected one pixel spacing as of ct\/IM0, found another: ct\/IM1/,
    ],
  ])('refuses %s, naming the files, and takes what is beside', async (_, specs, says) => {
    const files = slices(specs);
    await expect(readSource(files)).rejects.toThrow(says);
    const refusals = await refusing({ ...files, ...LONE });
    expect(refusals.map(({ reason }) => reason)).toEqual([expect.stringMatching(says)]);
    const { images } = await readSource({ ...files, ...LONE }, { skipBadFiles: true });
    expect(images).toHaveLength(1);
  });

  it('takes a row of labels for a series by its folder or by each slice, and refuses slices that differ', async () => {
    const files = { ...slices([{ z: 0 }, { z: 1 }]), ...LONE };
    const byFolder = { ...files, 'labels.csv': 'file,side\nct,left\nlone.dcm,right\n' };
    expect((await readSource(byFolder)).images.map(({ labels }) => labels)).toEqual([
      { side: 0 },
      { side: 1 },
    ]);
    const bySlice = { ...files, 'labels.csv': 'file,side\nct/IM0,left\nct/IM1,left\nlone.dcm,right\n' };
    expect((await readSource(bySlice)).images).toHaveLength(2);
    const torn = { ...files, 'labels.csv': 'file,side\nct/IM0,left\nct/IM1,right\nlone.dcm,right\n' };
    await expect(readSource(torn)).rejects.toThrow(/label: expected one row of labels for all slices/);
  });

  it('follows a DICOMDIR: what it calls no image is left out, what it misses is reported', async () => {
    const record = (type: string, path: string): Attribute[] => [
      ['00041430', 'CS', type],
      ['00041500', 'CS', path],
    ];
    const directory = (images: string[]) =>
      dicomObject(
        [
          [
            '00041220',
            'SQ',
            [...images.map((path) => record('IMAGE', path)), record('SR DOCUMENT', 'CT\\SR1')],
          ],
        ],
        '1.2.840.10008.1.3.10',
      );
    const files = { ...slices([{ z: 0 }, { z: 1 }]), 'CT/SR1': dicomObject([['00080060', 'CS', 'SR']]) };
    const whole = await readSource({ ...files, DICOMDIR: directory(['CT\\IM0', 'CT\\IM1']) });
    expect(whole.images.map(({ shape }) => shape)).toEqual([[2, 2, 3, 1]]);
    await expect(readSource({ ...files, DICOMDIR: directory(['CT\\IM0', 'CT\\IM7']) })).rejects.toThrow(
      /DICOMDIR: \(0004,1500\) ReferencedFileID: expected the 2 images that it names, found 1 missing: CT\/IM7/,
    );
  });

  it('computes uptake values of PET by weight, dose and decay, and none where one is missing', async () => {
    const pet = (more: Attribute[]): Buffer =>
      dicomFile(
        [
          ['00080031', 'TM', '101000'],
          ['00080032', 'TM', '101000.5'],
          ['00080060', 'CS', 'PT'],
          ['00101030', 'DS', '70'],
          ['00280051', 'CS', 'DECY\\ATTN'],
          ['00281052', 'DS', '0'],
          ['00281053', 'DS', '2'],
          ['00541001', 'CS', 'BQML'],
          ['00541102', 'CS', 'START'],
          ...more,
        ],
        Uint16Array.of(0, 1000, 5000, 20_000),
        [2, 2],
      );
    const dose: Attribute[] = [
      ['00181072', 'TM', '091000'],
      ['00181074', 'DS', '370000000'],
      ['00181075', 'DS', '6586.2'],
    ];
    const { images } = await readSource({
      'a.dcm': pet([['00540016', 'SQ', [dose]]]),
      'b.dcm': pet([['00540016', 'SQ', [dose.slice(0, 2)]]]),
    });
    const left = 370e6 * 2 ** (-3600 / 6586.2);
    const suv = [0, 2000, 10_000, 40_000].map((activity) => (activity * 70_000) / left);
    expect(images[0]!.normalisation).toEqual([
      { step: 'suv-body-weight' },
      { step: 'scale', low: 0, high: 20 },
    ]);
    for (const [index, value] of suv.entries())
      expect(images[0]!.pixels[index]).toBe(Math.floor(Math.min(1, value / 20) * 65_535 + 0.5));
    expect(images[1]!.normalisation![0]).toMatchObject({ step: 'scale', low: 0 });
    expect(JSON.stringify(images)).not.toMatch(/370000000|6586/);
  });
});
