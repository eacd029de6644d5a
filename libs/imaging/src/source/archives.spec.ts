import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack as tar } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { encodeZip } from '../npz/encode-npz.js';
import { type Files, pictures, readSource } from '../spec/sources.js';

describe('openSource on archives', () => {
  it.each<[name: string, archive: (files: Files) => Promise<Buffer>]>([
    ['a.zip', zip],
    ['a.tar', (files) => tarOf(files)],
    ['a.tar.gz', async (files) => gzipSync(await tarOf(files))],
    ['a.tgz', async (files) => gzipSync(await tarOf(files))],
  ])('reads an upload that is one archive, %s, as the folder that it holds', async (name, archive) => {
    const files = { ...(await pictures(4)), 'labels.csv': table(4) };
    const plain = await readSource(files);
    const packed = await readSource({ [name]: await archive(files) });
    expect(packed.images).toEqual(plain.images);
    expect(packed.source.labelSpaces).toEqual(plain.source.labelSpaces);
  });

  it('opens archives among files and inside each other, by their names', async () => {
    const all = Object.entries(await pictures(4));
    const inner = await zip(Object.fromEntries(all.slice(2)));
    const { source } = await readSource({
      'x.png': all[0]![1],
      'data/a.tar': await tarOf({ 'deep/1.png': all[1]![1], 'b.zip': inner }),
    });
    expect(source.files.map(({ path }) => path)).toEqual([
      'data/a.tar/b.zip/2.png',
      'data/a.tar/b.zip/3.png',
      'data/a.tar/deep/1.png',
      'x.png',
    ]);
  });

  it.each<[what: string, name: string, archive: () => Promise<Buffer>, says: RegExp]>([
    [
      'a path that leads out of a zip',
      'a.zip',
      () => zip({ '../evil.png': 'x' }),
      /a\.zip: "\.\.\/evil\.png": expected a relative path/,
    ],
    [
      'an absolute path',
      'a.tar',
      () => tarOf({ '/etc/passwd': 'x' }),
      /a\.tar: "\/etc\/passwd": expected a relative/,
    ],
    [
      'a symbolic link',
      'a.tar',
      () => tarOf({}, { name: 'l', type: 'symlink', linkname: '/etc' }),
      /found a link/,
    ],
    ['a hard link', 'a.tar', () => tarOf({}, { name: 'l', type: 'link', linkname: 'x' }), /found a link/],
    [
      'a device',
      'a.tar',
      () => tarOf({}, { name: 'd', type: 'character-device' }),
      /"d": expected files, found a character-device/,
    ],
    [
      'a symbolic link in a zip',
      'a.zip',
      async () => asLink(await zip({ l: '/etc' })),
      /"l": expected files, no links/,
    ],
    [
      'a bomb',
      'a.zip',
      () => zip({ 'x.png': Buffer.alloc(3_000_000) }),
      /expected at most 1000000 bytes in all/,
    ],
    [
      'a bomb in a tar',
      'a.tar.gz',
      async () => gzipSync(await tarOf({ 'x.png': Buffer.alloc(3_000_000) })),
      /expected an archive within its limit, found more bytes/,
    ],
    [
      'a bomb of gzip',
      'a.tar.gz',
      async () => gzipSync(Buffer.alloc(80 * 1024 * 1024)),
      /expected (at most 200 times|a whole tar archive)/,
    ],
    ['archives without end', 'a.zip', () => nested(5), /expected at most 3 archives inside each other/],
    [
      'a truncated tar',
      'a.tar',
      async () => (await tarOf(await pictures(3))).subarray(0, 700),
      /a whole tar archive/,
    ],
    [
      'a truncated gzip',
      'a.tgz',
      async () => gzipSync(await tarOf(await pictures(3))).subarray(0, 90),
      /a whole tar archive|damaged/,
    ],
    ['no archive at all', 'a.zip', async () => Buffer.from('no archive'), /a\.zip: zip end record/],
  ])('refuses %s and takes the files beside it', async (_, name, archive, says) => {
    const bytes = await archive();
    await expect(readSource({ [name]: bytes, ...(await pictures(3)) })).rejects.toThrow(says);
    const { images, refusals } = await readSource(
      { [name]: bytes, ...(await pictures(3)) },
      { skipBadFiles: true },
    );
    expect(images).toHaveLength(3);
    expect(refusals).toEqual([{ path: expect.stringContaining(name), reason: expect.stringMatching(says) }]);
  });
});

function table(count: number): string {
  const rows = Array.from({ length: count }, (_, index) => `${index}.png,${index % 2 ? 'left' : 'right'}`);
  return `file,side\n${rows.join('\n')}\n`;
}

async function zip(files: Files): Promise<Buffer> {
  return encodeZip(
    Object.fromEntries(
      Object.entries(files).map(([name, content]) => [name, Buffer.from(content as Uint8Array)]),
    ),
  );
}

async function nested(depth: number): Promise<Buffer> {
  let archive = await zip({ 'x.txt': 'x' });
  for (let level = 0; level < depth; level += 1) archive = await zip({ 'a.zip': archive });
  return archive;
}

async function tarOf(
  files: Files,
  ...headers: { name: string; type: string; linkname?: string }[]
): Promise<Buffer> {
  const archive = tar();
  const bytes = buffer(archive);
  for (const header of headers) archive.entry(header as Parameters<typeof archive.entry>[0]);
  for (const [name, content] of Object.entries(files))
    archive.entry({ name }, Buffer.from(content as Uint8Array));
  archive.finalize();
  await Promise.race([bytes, once(archive, 'error')]);
  return bytes;
}

function asLink(archive: Buffer): Buffer {
  const entry = archive.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  const copy = Buffer.from(archive);
  copy.writeUInt32LE(0xa1ff0000, entry + 38);
  return copy;
}
