import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { medmnistMembers, type NpzMembers, npy, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';

/** Each bad file, and what its refusal must say beside the file's name. */
const BAD_FILES: [what: string, file: string, content: () => Uint8Array, says: RegExp][] = [
  ['a truncated archive', 'short.npz', () => npz(medmnistMembers()).subarray(0, 4000), /expected .+ found/],
  [
    'the wrong dtype',
    'complex.npz',
    () => withMember('train_images', npy('<c16', [48, 2, 2], zeros(48 * 4 * 16))),
    /train_images.*expected.*found.*c16/,
  ],
  [
    'an object array',
    'objects.npz',
    () => withMember('train_images', npy('|O', [48, 28, 28], zeros(64))),
    /train_images.*expected.*found.*O/,
  ],
  ['a missing member', 'five.npz', () => withMember('test_labels', undefined), /test_labels/],
  [
    'a label without its image',
    'labels.npz',
    () => withMember('train_labels', npy('|u1', [47, 1], zeros(47))),
    /train_labels.*expected.*48.*found.*47/,
  ],
  [
    'five axes',
    'deep.npz',
    () => withMember('train_images', npy('|u1', [2, 2, 2, 2, 2, 2], zeros(64))),
    /train_images.*expected.*found/,
  ],
  [
    'an empty split',
    'empty.npz',
    () => npz(medmnistMembers({ train: 48, val: 12, test: 0 })),
    /test.*expected.*found/,
  ],
  [
    'NaN pixels',
    'nan.npz',
    () => withMember('train_images', npy('<f4', [48, 28, 28], floats(48 * 784, Number.NaN))),
    /train_images.*expected.*found/,
  ],
  [
    'a header that promises 10 GB',
    'huge.npz',
    () => withMember('train_images', npy('|u1', [12_800_000, 28, 28], zeros(100))),
    /train_images.*expected.*found/,
  ],
  [
    'a bomb',
    'bomb.npz',
    () => withMember('train_images', npy('|u1', [48, 28, 28], zeros(100_000_000))),
    /train_images.*expected.*found/,
  ],
  [
    'infinite pixels',
    'infinite.npz',
    () => withMember('val_images', npy('<f4', [12, 28, 28], floats(12 * 784, Number.POSITIVE_INFINITY))),
    /val_images.*expected.*found/,
  ],
  [
    'volumes beside images',
    'mixed.npz',
    () => withMember('test_images', npy('|u1', [24, 28, 28, 28], zeros(24 * 28 ** 3))),
    /test_images.*expected.*found/,
  ],
  [
    'a negative label',
    'negative.npz',
    () =>
      withMember(
        'train_labels',
        npy(
          '|i1',
          [48, 1],
          zeros(48).map((_, i) => (i === 7 ? 255 : i % 3)),
        ),
      ),
    /train_labels.*expected.*found.*-1/,
  ],
  ['a picture that is none', 'noise.png', () => Buffer.from('this is no picture'), /expected.*found/],
];

describe('the command line refuses', () => {
  let folder: string;
  let data: string;
  let services: Services;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-bad-'));
    data = join(folder, 'data');
    services = await startStandalone(data);
  });

  afterAll(async () => {
    await services?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(BAD_FILES)(
    '%s, with exit code 13, file, field, expected and found',
    async (_what, name, content, says) => {
      const file = join(folder, name);
      await writeFile(file, content());
      const before = await artefacts(data);
      const ended = await medformer(
        services.env,
        'ingest',
        file,
        '--name',
        'bad',
        '--modality',
        'ct',
        '--body-part',
        'head',
      );
      expect(ended.stderr).toContain(name);
      expect(ended.stderr).toMatch(says);
      expect(ended.stderr).not.toMatch(/^\s+at /m);
      expect(ended).toMatchObject({ code: 13, stdout: '' });
      expect(await artefacts(data)).toEqual(before);
    },
  );

  it('a spec of unknown keys, an unknown dataset, run, report and checkpoint', async () => {
    const spec = join(folder, 'spec.yaml');
    await writeFile(spec, 'dataset: nowhere\nmethod: { name: simclr }\nsteps: 2\n');
    const nothing = 'a'.repeat(64);
    const { env } = services;
    expect(await medformer(env, 'train', spec, '--set', 'stepz=3')).toMatchObject({ code: 13 });
    expect(await medformer(env, 'train', spec)).toMatchObject({ code: 15 });
    expect(await medformer(env, 'runs', 'show', nothing)).toMatchObject({ code: 15 });
    expect(await medformer(env, 'report', 'show', nothing)).toMatchObject({ code: 15 });
    expect(await medformer(env, 'serve', nothing)).toMatchObject({ code: 15 });
  });

  it('an image while no model is loaded, saying so', async () => {
    const file = join(folder, 'x.png');
    await writeFile(file, 'x');
    const ended = await medformer(services.env, 'encode', file, '--modality', 'ct', '--body-part', 'head');
    expect(ended.code).toBe(19);
    expect(ended.stderr).toContain('FAILED_PRECONDITION');
  });

  it('nothing after all that: a good archive still goes in', async () => {
    const file = join(folder, 'good.npz');
    await writeFile(file, npz(medmnistMembers()));
    const taken = await medformerJson(
      services.env,
      'ingest',
      file,
      '--name',
      'good',
      '--modality',
      'ct',
      '--body-part',
      'head',
    );
    expect(taken.images).toBe(84);
  });
});

/** Everything committed to the store; what uploads left aside is no artefact. */
async function artefacts(data: string): Promise<string[]> {
  const objects = join(data, 'store');
  await mkdir(objects, { recursive: true });
  const files = (await readdir(objects, { recursive: true })) as string[];
  return files.filter((file) => /^(datasets|blobs|runs|reports)\//.test(file)).sort();
}

function withMember(name: string, bytes: Uint8Array | undefined): Uint8Array {
  const members: NpzMembers = medmnistMembers();
  if (bytes === undefined) delete members[name];
  else members[name] = bytes;
  return npz(members);
}

function zeros(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}

function floats(count: number, value: number): Uint8Array {
  return new Uint8Array(new Float32Array(count).fill(value).buffer);
}
