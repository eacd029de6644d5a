import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Files, imagesOf, pictures, readSource, SOURCE_OPTIONS, writeFiles } from '../spec/sources.js';
import { DrawAgain } from './draw-again.js';
import type { SourceFile, SourceOptions } from './image-source.js';
import { openSource, sourceDigest } from './open-source.js';

describe('openSource on a folder', () => {
  it('reads labels.csv: tasks, classes in order, subjects as pseudonyms, splits as given', async () => {
    const { source, images } = await readSource({
      ...(await pictures(4)),
      'labels.csv':
        'file,subject,modality,body_part,split,Side,grade\n' +
        '0.png,MRN 1,xray,chest,train,right,g2\n1.png,MRN 1,xray,chest,train,left,g10\n' +
        '2.png,MRN 2,xray,hand,val,left,g1\n3.png,MRN 3,ct,hand,test,right,\n',
    });
    expect(source.labelSpaces).toEqual([
      { task: 'side', kind: 'binary', classes: ['left', 'right'] },
      { task: 'grade', kind: 'multi-class', classes: ['g1', 'g10', 'g2'] },
    ]);
    expect(source.splits).toEqual({ policy: 'given', seed: 0 });
    expect(images.map(({ labels }) => labels)).toEqual([
      { side: 1, grade: 2 },
      { side: 0, grade: 1 },
      { side: 0, grade: 0 },
      { side: 1 },
    ]);
    expect(images.map(({ split, modality, bodyPart }) => [split, modality, bodyPart])).toEqual([
      ['train', 'xray', 'chest'],
      ['train', 'xray', 'chest'],
      ['val', 'xray', 'hand'],
      ['test', 'ct', 'hand'],
    ]);
    expect(images[0]!.subject).toBe(images[1]!.subject);
    expect(JSON.stringify(images.map(({ pixels, ...record }) => record))).not.toMatch(/MRN|png/);
  });

  it('without a table takes modality and body part from file or options, and splits by subject', async () => {
    const dicom = await readFile(new URL('../../golden/implicit.dcm', import.meta.url));
    const { source, images } = await readSource(
      {
        ...(await pictures(3)),
        'a/IM0001': dicom,
        'b/scan.dcm': await readFile(new URL('../../golden/unsigned-8.dcm', import.meta.url)),
      },
      { modality: 'mri', bodyPart: 'knee' },
    );
    expect(source.labelSpaces).toEqual([]);
    expect(images.map(({ modality, bodyPart }) => `${modality} ${bodyPart}`)).toEqual([
      'mri knee',
      'mri knee',
      'mri knee',
      'ct chest',
      'ct knee',
    ]);
    const [, , , first, second] = images;
    expect(first!.subject).toBe(second!.subject);
    expect(first!.split).toBe(second!.split);
    expect(new Set(images.map(({ subject }) => subject)).size).toBe(4);
    expect(source.splits).toMatchObject({ policy: 'by-subject', seed: 7 });
  });

  it('puts no patient of any cohort into two splits, whatever images and labels each has', async () => {
    const files = await pictures(7);
    const row = fc.record({
      subject: fc.integer({ min: 0, max: 4 }),
      side: fc.constantFrom('left', 'right', ''),
      grade: fc.constantFrom('g1', 'g2', 'g3'),
    });
    // A task has two classes at least.
    const always = [
      { subject: 0, side: 'left', grade: 'g1' },
      { subject: 0, side: 'right', grade: 'g2' },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 5, maxLength: 5 }),
        fc.nat(1000),
        async (drawn, splitSeed) => {
          const rows = [...always, ...drawn];
          const table = rows.map(({ subject, side, grade }, at) => `${at}.png,p${subject},${side},${grade}`);
          const labels = ['file,subject,side,grade', ...table, ''].join('\n');
          const { images } = await readSource({ ...files, 'labels.csv': labels }, { splitSeed });
          const pairs = new Set(images.map(({ subject, split }) => `${subject} ${split}`));
          expect(pairs.size).toBe(new Set(rows.map(({ subject }) => subject)).size);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('hashes subjects with the key and keeps those of generated data', async () => {
    const files = { ...(await pictures(3)), 'labels.csv': 'file,subject\n0.png,p\n1.png,q\n2.png,r\n' };
    const subjects = async (options: Partial<SourceOptions>) =>
      (await readSource(files, options)).images.map(({ subject }) => subject);
    expect(await subjects({})).toEqual(await subjects({}));
    expect(await subjects({ pseudonymKey: 'another key' })).not.toEqual(await subjects({}));
    expect(await subjects({ synthetic: true })).toEqual(['p', 'q', 'r']);
  });

  const table = 'file,subject,split,side\n0.png,p,train,left\n1.png,q,val,right\n2.png,r,test,left\n';
  it.each<[what: string, files: () => Promise<Files>, says: RegExp]>([
    [
      'a row without its file',
      async () => ({ ...(await pictures(3)), 'labels.csv': `${table}9.png,s,train,left\n` }),
      /labels\.csv: line 5, file: expected the path of an ingested image, found 9\.png/,
    ],
    [
      'a file without its row',
      async () => ({ ...(await pictures(4)), 'labels.csv': table }),
      /3\.png: label: expected a row in labels\.csv, found none/,
    ],
    [
      'a file with two rows',
      async () => ({ ...(await pictures(3)), 'labels.csv': `${table}0.png,p,train,left\n` }),
      /line 5, file: expected every file once, found 0\.png again, after line 2/,
    ],
    [
      'a subject in two given splits',
      async () => ({ ...(await pictures(4)), 'labels.csv': `${table}3.png,p,test,left\n` }),
      /line 5, split: expected train, as the subject's other images, found test/,
    ],
    [
      'a given split that is empty',
      async () => ({ ...(await pictures(3)), 'labels.csv': table.replace('q,val', 'q,train') }),
      /split: expected at least one val image, found none/,
    ],
    [
      'an unknown split',
      async () => ({ ...(await pictures(3)), 'labels.csv': table.replace('q,val', 'q,dev') }),
      /line 3, split: expected train, val or test, found "dev"/,
    ],
    [
      'a task of one class',
      async () => ({ ...(await pictures(3)), 'labels.csv': table.replace('right', 'left') }),
      /column side: expected 2 to 1000 classes, found 1 different values/,
    ],
    [
      'a table without files',
      async () => ({ ...(await pictures(3)), 'labels.csv': 'name,side\n0.png,left\n' }),
      /header: expected a column "file", found name, side/,
    ],
    [
      'a ragged table',
      async () => ({ ...(await pictures(3)), 'labels.csv': `${table}3.png\n` }),
      /labels\.csv: line 5: expected comma-separated values/,
    ],
    [
      'equal images',
      async () => ({ ...(await pictures(2)), 'copy.png': (await pictures(1))['0.png']! }),
      /copy\.png: content: expected every image once, found the bytes of 0\.png/,
    ],
    [
      'an unknown format',
      async () => ({ ...(await pictures(2)), 'x.bmp': 'BM' }),
      /x\.bmp: format: expected \.png, .*found \.bmp/,
    ],
    [
      'an unreadable picture',
      async () => ({ ...(await pictures(2)), 'x.png': 'no picture' }),
      /x\.png: image: expected a whole PNG, JPEG or TIFF/,
    ],
    [
      'nothing but documentation',
      async () => ({ 'README.md': 'hello' }),
      /upload: files: expected at least one image/,
    ],
  ])('refuses %s by file, field, expected and found', async (_, files, says) => {
    const given = await files();
    await expect(readSource(given)).rejects.toThrow(says);
    await expect(readSource(given)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('leaves bad files out where asked, tells each with its reason, and takes the good ones', async () => {
    const { images, refusals } = await readSource(
      {
        ...(await pictures(5)),
        'bad.png': 'no picture',
        'notes.doc': 'text',
        'labels.csv':
          'file,side\n0.png,left\n1.png,right\n2.png,left\n3.png,right\nbad.png,left\ngone.png,left\nnotes.doc,left\n',
      },
      { skipBadFiles: true },
    );
    expect(images).toHaveLength(4);
    expect(refusals.map(({ path }) => path).sort()).toEqual(['4.png', 'bad.png', 'gone.png', 'notes.doc']);
    for (const { reason } of refusals) expect(reason).toMatch(/expected .*, found/);
  });

  it('draws the split among the good files where bad ones were all that a split had', async () => {
    const good = await pictures(3);
    const subjects = (await readSource(good)).images;
    // Of four subjects two share a split; for some seed the bad one is alone in its own.
    let drawnAgain = 0;
    for (let seed = 0; seed < 6; seed += 1) {
      const { folder, files } = await writeFiles({ ...good, 'bad.png': `no picture ${seed}` });
      const refusals: string[] = [];
      const options = { ...SOURCE_OPTIONS, skipBadFiles: true, splitSeed: seed };
      const source = await openSource(folder, files, options, ({ path }) => refusals.push(path));
      const images = await imagesOf(source).catch((error: unknown) => {
        expect(error).toBeInstanceOf(DrawAgain);
        drawnAgain += 1;
        return imagesOf(source);
      });
      expect(new Set(images.map(({ split }) => split)).size).toBe(3);
      expect(images.map(({ id }) => id)).toEqual(subjects.map(({ id }) => id));
      expect(refusals).toEqual(['bad.png']);
    }
    expect(drawnAgain).toBeGreaterThan(0);
  });

  it('refuses where bad files were all that a given split had', async () => {
    const files = { ...(await pictures(2)), 'bad.png': 'no picture' };
    const rows = 'file,split\n0.png,train\n1.png,test\nbad.png,val\n';
    await expect(readSource({ ...files, 'labels.csv': rows }, { skipBadFiles: true })).rejects.toThrow(
      /split: expected at least one val image, found none/,
    );
  });

  it('notices bytes that changed after they were announced', async () => {
    const { folder, files } = await writeFiles(await pictures(3));
    await writeFile(join(folder, '1.png'), 'other');
    const source = await openSource(folder, files, SOURCE_OPTIONS, () => {});
    await expect(imagesOf(source)).rejects.toMatchObject({ code: 'DATA_LOSS' });
  });
});

describe('sourceDigest', () => {
  it('changes with any path, byte, option or key, and with nothing else', async () => {
    const { files } = await writeFiles(await pictures(3));
    const digest = (list: SourceFile[], options: Partial<SourceOptions> = {}) =>
      sourceDigest(list, { ...SOURCE_OPTIONS, ...options });
    expect(digest([...files].reverse())).toBe(digest(files));
    expect(digest(files, { maxArchiveBytes: 5 })).toBe(digest(files));
    const others = [
      digest(files.slice(1)),
      digest(files.map((file) => ({ ...file, path: `x${file.path}` }))),
      digest(files, { splitSeed: 8 }),
      digest(files, { modality: 'ct' }),
      digest(files, { pseudonymKey: 'another key' }),
    ];
    expect(new Set([digest(files), ...others]).size).toBe(6);
  });
});
