#!/usr/bin/env node
/**
 * Damages files of every format that is read, by seed, and feeds them to the readers in processes of limited memory:
 * each must end as an image or as a refusal that names file and reason, in time. `--count 10000` is the full run.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { decodeImages, encodeZip, imageFormatOf, openSource } from '../libs/imaging/dist/index.js';
import { MedformerError, Rng, sha256 } from '../libs/schema/dist/index.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SEEDS = [
  'libs/imaging/golden/dicom',
  'libs/imaging/golden/nifti',
  'libs/imaging/golden',
  'e2e/fixtures/real-images',
];
/** JavaScript's heap; pixels stand outside it and count in the resident size. */
const HEAP_MB = 256;
const RESIDENT_MB = 1536;
/** Generous: the machine may do other things. */
const PATIENCE_MS = 60_000;
const ARCHIVE = /\.(zip|tar|tgz)$/;
const MAX_SEED_BYTES = 600_000;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    processes: { type: 'string', default: '2' },
    child: { type: 'string' },
    only: { type: 'string' },
  },
});
const count = Number(values.count);
const seeds = seedFiles();
if (values.only !== undefined) await one(Number(values.only));
else if (values.child === undefined) await parent();
else await child(Number(values.child));

async function parent() {
  const began = performance.now();
  const processes = Number(values.processes);
  const reports = await Promise.all(Array.from({ length: processes }, (_, index) => watch(index, processes)));
  const tally = {};
  for (const report of reports)
    for (const [kind, number] of Object.entries(report.tally)) tally[kind] = (tally[kind] ?? 0) + number;
  const faults = reports.flatMap((report) => report.faults);
  for (const fault of faults.slice(0, 20)) console.error(fault);
  const seconds = (performance.now() - began) / 1000;
  const resident = Math.max(...reports.map((report) => report.residentMb));
  const slowest = Math.max(...reports.map((report) => report.slowestMs));
  const total = Object.values(tally).reduce((sum, number) => sum + number, 0);
  console.log(
    `${total} damaged files of ${seeds.length}: ${tally.image ?? 0} read, ${tally.refusal ?? 0} refused, ${faults.length} faults; ` +
      `${seconds.toFixed(1)} s, slowest ${slowest.toFixed(0)} ms, at most ${resident.toFixed(0)} MB resident`,
  );
  process.exit(faults.length > 0 || total !== count ? 1 : 0);
}

/** One process' share: it is told to go on after a file that killed or stopped it, which is a fault. */
async function watch(index, processes) {
  const report = { tally: {}, faults: [], residentMb: 0, slowestMs: 0 };
  let next = index;
  while (next < count) {
    next = await new Promise((resolve) => {
      const one = fork(
        fileURLToPath(import.meta.url),
        [
          '--child',
          String(next),
          '--count',
          values.count,
          '--seed',
          values.seed,
          '--processes',
          String(processes),
        ],
        {
          execArgv: [`--max-old-space-size=${HEAP_MB}`, '--no-warnings'],
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        },
      );
      let current = next;
      let ended = false;
      let patience = setTimeout(hang, PATIENCE_MS);
      function hang() {
        report.faults.push(`file ${current}: took more than ${PATIENCE_MS} ms`);
        one.kill('SIGKILL');
      }
      one.on('message', ({ file, kind, fault, ms, mb, done }) => {
        clearTimeout(patience);
        if (done) {
          ended = true;
          return;
        }
        patience = setTimeout(hang, PATIENCE_MS);
        report.tally[kind] = (report.tally[kind] ?? 0) + 1;
        report.residentMb = Math.max(report.residentMb, mb);
        report.slowestMs = Math.max(report.slowestMs, ms);
        if (fault) report.faults.push(`file ${file}: ${fault}`);
        if (mb > RESIDENT_MB) report.faults.push(`file ${file}: ${mb.toFixed(0)} MB resident`);
        current = file + processes;
      });
      one.on('exit', (code, signal) => {
        clearTimeout(patience);
        if (ended) return resolve(count);
        report.faults.push(`file ${current}: ended its process (${signal ?? code})`);
        report.tally.crash = (report.tally.crash ?? 0) + 1;
        resolve(current + processes);
      });
    });
  }
  return report;
}

/** Damages and reads a single file of a run, to look into a fault: `--only NUMBER --seed SEED`. */
async function one(file) {
  const scratch = mkdtempSync(join(tmpdir(), 'medformer-fuzz-'));
  const { name, bytes } = damaged(Rng.of(Number(values.seed), 'fuzz', file), seeds[file % seeds.length]);
  writeFileSync(join(scratch, name), bytes);
  console.log(`${join(scratch, name)}, ${bytes.length} bytes`);
  console.log(await outcomeOf(name, bytes, scratch));
}

async function child(first) {
  const scratch = mkdtempSync(join(tmpdir(), 'medformer-fuzz-'));
  try {
    for (let file = first; file < count; file += Number(values.processes)) {
      const began = performance.now();
      const rng = Rng.of(Number(values.seed), 'fuzz', file);
      const { name, bytes } = damaged(rng, seeds[file % seeds.length]);
      const outcome = await outcomeOf(name, bytes, scratch);
      process.send({
        file,
        ...outcome,
        ms: performance.now() - began,
        mb: process.memoryUsage.rss() / 2 ** 20,
      });
    }
    process.send({ done: true });
    process.disconnect();
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function outcomeOf(name, bytes, scratch) {
  try {
    if (ARCHIVE.test(name)) await ingest(name, bytes, scratch);
    else await decodeImages(imageFormatOf(name) ?? 'dicom', [{ name, bytes }], name);
    return { kind: 'image' };
  } catch (error) {
    // Of an archive the refusal may name what is inside.
    const named = ARCHIVE.test(name) ? /^[^:]+: / : new RegExp(`^${name.replaceAll(/[.+*()]/g, '\\$&')}: `);
    const { message = '' } = error ?? {};
    const reasoned = message.includes('expected ') && message.includes(', found ');
    if (error instanceof MedformerError && named.test(message) && reasoned) return { kind: 'refusal' };
    return { kind: 'fault', fault: `${name}: ${error?.stack ?? error}` };
  }
}

async function ingest(name, bytes, scratch) {
  const folder = mkdtempSync(join(scratch, 'upload-'));
  writeFileSync(join(folder, name), bytes);
  const options = {
    splitSeed: 0,
    fractions: { train: 1, val: 0, test: 0 },
    skipBadFiles: false,
    synthetic: false,
    pseudonymKey: 'fuzz',
    maxArchiveBytes: 64 * 1024 * 1024,
  };
  const files = [{ path: name, bytes: bytes.length, sha256: sha256(bytes) }];
  const source = await openSource(folder, files, options, () => {});
  for await (const _ of source.images());
}

function damaged(rng, { name, bytes }) {
  let result = Buffer.from(bytes);
  for (let round = rng.integer(3); round >= 0; round -= 1) result = damage(rng, result, name);
  return { name, bytes: result };
}

function damage(rng, bytes, name) {
  if (bytes.length < 8) return bytes;
  // Headers decide: half of the damage falls on the first kilobyte.
  const place = () => rng.integer(rng.integer(2) === 0 ? Math.min(1024, bytes.length) : bytes.length);
  switch (rng.integer(7)) {
    case 0:
      for (let flip = rng.integer(16); flip >= 0; flip -= 1) bytes[place()] ^= 1 << rng.integer(8);
      return bytes;
    case 1:
      return bytes.subarray(0, rng.integer(bytes.length));
    case 2: {
      const at = Math.min(place(), bytes.length - 4);
      bytes.writeUInt32LE([0xffffffff, 0x7fffffff, 0x80000000, 0, 0xfffffffe, 1][rng.integer(6)], at);
      return bytes;
    }
    case 3: {
      const at = Math.min(place(), bytes.length - 2);
      bytes.writeUInt16LE([0xffff, 0x7fff, 0x8000, 0, 1][rng.integer(5)], at);
      return bytes;
    }
    case 4: {
      const from = place();
      return Buffer.concat([
        bytes.subarray(0, place()),
        bytes.subarray(from, from + rng.integer(512)),
        bytes.subarray(place()),
      ]);
    }
    case 5:
      return /\.dcm$/.test(name)
        ? withNestedSequences(rng, bytes)
        : bytes.fill(rng.integer(256), place(), place());
    default:
      for (let at = place(), end = Math.min(bytes.length, at + 16); at < end; at += 1)
        bytes[at] = rng.integer(256);
      return bytes;
  }
}

/** Sequences in sequences of undefined length, as deep as a stack may not go, where the data set begins. */
function withNestedSequences(rng, bytes) {
  const depth = [3, 100, 5000, 40_000][rng.integer(4)];
  const begin = Buffer.from([
    0x08, 0, 0x40, 0x11, 0x53, 0x51, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff,
    0xff,
  ]);
  const at = 144 + (bytes.length > 144 ? bytes.readUInt32LE(140) : 0);
  const split = Math.min(bytes.length, at);
  return Buffer.concat([
    bytes.subarray(0, split),
    ...Array.from({ length: depth }, () => begin),
    bytes.subarray(split),
  ]);
}

function seedFiles() {
  const files = SEEDS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/\.(json|csv|md|hdr|img|gz)$|golden$/.test(entry.name))
      .map((entry) => ({ name: entry.name, bytes: readFileSync(join(entry.parentPath, entry.name)) })),
  ).filter(({ bytes }) => bytes.length <= MAX_SEED_BYTES);
  const [one, two] = files;
  const zip = encodeZip({ 'a.dcm': one.bytes, 'b/c.dcm': two.bytes });
  let recursive = zip;
  for (let level = 0; level < 4; level += 1)
    recursive = encodeZip({ 'a.zip': recursive, 'b.zip': recursive });
  const tar = tarOf({ 'a.dcm': one.bytes, 'b/c.dcm': two.bytes });
  const archives = [
    ['a.zip', zip],
    ['nested.zip', recursive],
    ['bomb.zip', encodeZip({ 'x.nii': Buffer.alloc(20_000_000) })],
    ['a.tar', tar],
    ['a.tgz', gzipSync(tar)],
  ];
  // As often as single files, which are many.
  const often = Array.from({ length: 4 }, () => archives.map(([name, bytes]) => ({ name, bytes }))).flat();
  return [...files, ...often].sort((x, y) => (x.name < y.name ? -1 : x.name > y.name ? 1 : 0));
}

/** POSIX ustar, as much of it as plain files need. */
function tarOf(files) {
  const blocks = Object.entries(files).flatMap(([name, bytes]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 'latin1');
    header.write('0000644\0', 100);
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        0', 148);
    header.write('ustar\x0000', 257, 'latin1');
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
