#!/usr/bin/env node
/**
 * Whether the memory of ingestion depends on how much it ingests: the real service takes a source of this many gigabytes,
 * half DICOM series, half NIfTI volumes, made as it is sent, and the resident size of the service and of its child is
 * taken all the while. The disk must have room for 1.8 times the source.
 *
 *   node tools/ingest-memory.mjs [--gigabytes 10] [--data FOLDER]        (all that it writes is removed at the end)
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { IngestionServiceClient } from '../libs/gen/dist/medformer/ingestion/v1/ingestion.js';
import { encodeNifti } from '../libs/imaging/dist/index.js';
import { dicomFile } from '../libs/imaging/dist/spec/dicom.js';
import { freePort } from '../libs/object-store/dist/testing/index.js';
import { Rng, sha256 } from '../libs/schema/dist/index.js';
import { table } from './bench/print.mjs';

const { credentials } = createRequire(new URL('../libs/rpc/package.json', import.meta.url))('@grpc/grpc-js');
const { values } = parseArgs({
  options: { gigabytes: { type: 'string', default: '10' }, data: { type: 'string', default: tmpdir() } },
});
const SLICES = 64;
const EDGE = 512;
const VOLUME = [128, 256, 256];
const CHUNK_BYTES = 1024 * 1024;
const SAMPLE_MS = 250;
const TENTHS = 10;
/** Of the highest resident size of the first half of a stage; the rest is the mood of the collector. */
const GROWTH = 1.15;

const data = mkdtempSync(join(values.data, 'medformer-ingest-memory-'));
const noise = Int16Array.from({ length: EDGE * EDGE * SLICES }, noiseOf(Rng.of('ingest-memory', 0)));
const voxels = Float32Array.from(noise, (value) => value / 7);
const source = plan(Number(values.gigabytes) * 1e9);
const bytes = source.reduce((sum, file) => sum + file.bytes, 0);
const service = await start();
const samples = [];
const sampling = setInterval(sample, SAMPLE_MS);
let stage = { name: 'upload', done: 0 };
const began = performance.now();
const ends = {};
try {
  say(`${source.length} files, ${(bytes / 1e9).toFixed(2)} GB, in ${data}`);
  const id = await upload();
  end('upload');
  const dataset = await ingest(id);
  end('write');
  clearInterval(sampling);
  report(dataset);
} finally {
  clearInterval(sampling);
  service.client.close();
  service.child.kill('SIGTERM');
  if (service.child.exitCode === null) await once(service.child, 'exit');
  rmSync(data, { recursive: true, force: true });
}

/** Series and volumes in turns until there is enough. */
function plan(wanted) {
  const files = [];
  for (let index = 0, total = 0; total < wanted; index += 1) {
    const made =
      index % 2 === 0
        ? Array.from({ length: SLICES }, (_, slice) => ({
            path: `patient-${index}/${String(slice).padStart(3, '0')}.dcm`,
            make: () => dicomSlice(index, slice),
          }))
        : [{ path: `patient-${index}/scan.nii`, make: () => niftiVolume(index) }];
    for (const file of made) {
      const content = file.make();
      files.push({ ...file, bytes: content.length, sha256: sha256(content) });
      total += content.length;
    }
  }
  return files;
}

function dicomSlice(index, slice) {
  const pixels = new Uint16Array(EDGE * EDGE);
  const from = (index * 7919 + slice * 104_729) % (noise.length - pixels.length);
  pixels.set(noise.subarray(from, from + pixels.length));
  return dicomFile(
    [
      ['00080016', 'UI', '1.2.840.10008.5.1.4.1.1.2'],
      ['00080018', 'UI', `2.25.${index + 1}.${slice + 1}`],
      ['00080008', 'CS', 'ORIGINAL\\PRIMARY\\AXIAL'],
      ['00080060', 'CS', 'CT'],
      ['00100010', 'PN', `Patient^${index}`],
      ['00100020', 'LO', `patient-${index}`],
      ['0020000d', 'UI', `2.25.${index + 1}`],
      ['0020000e', 'UI', `2.25.${index + 1}.0`],
      ['00200032', 'DS', `0\\0\\${slice * 2}`],
      ['00200037', 'DS', '1\\0\\0\\0\\1\\0'],
      ['00280030', 'DS', '0.7\\0.7'],
      ['00280301', 'CS', 'NO'],
      ['00281052', 'DS', '-1024'],
      ['00281053', 'DS', '1'],
    ],
    pixels,
    [EDGE, EDGE],
  );
}

function niftiVolume(index) {
  const count = VOLUME.reduce((product, edge) => product * edge, 1);
  const from = (index * 7919) % (voxels.length - count);
  return encodeNifti(voxels.subarray(from, from + count), VOLUME, [1.5, 1, 1], `volume ${index}`);
}

function noiseOf(rng) {
  return (_, index) => Math.round(1200 + 700 * Math.sin(index / 900) + 60 * rng.uniform());
}

async function start() {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const main = fileURLToPath(new URL('../services/ingestion/dist/main.js', import.meta.url));
  const flags = ['--data', data, '--port', `${port}`, '--metrics-port', `${metricsPort}`];
  const child = fork(main, flags, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ready = () =>
    fetch(`http://127.0.0.1:${metricsPort}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await ready())) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const client = new IngestionServiceClient(`localhost:${port}`, credentials.createInsecure());
  return { child, client };
}

async function upload() {
  const files = source.map(({ path, bytes: size, sha256: hash }) => ({
    path,
    sizeBytes: BigInt(size),
    sha256: hash,
  }));
  const begin = promisify(service.client.beginUpload.bind(service.client));
  const { uploadId, missing } = await begin({ files, direct: false });
  const byPath = new Map(source.map((file) => [file.path, file]));
  let sent = 0;
  for (const { path } of missing) {
    const content = byPath.get(path).make();
    await send(uploadId, path, content);
    sent += content.length;
    stage = { name: 'upload', done: sent / bytes };
  }
  return uploadId;
}

async function send(uploadId, path, content) {
  let settle;
  const answered = new Promise((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve());
  });
  const call = service.client.uploadFile(settle);
  call.write({ uploadId, path, offsetBytes: 0n, chunk: Buffer.alloc(0) });
  for (let at = 0; at < content.length; at += CHUNK_BYTES) {
    const chunk = content.subarray(at, at + CHUNK_BYTES);
    if (!call.write({ uploadId: '', path: '', offsetBytes: 0n, chunk })) await once(call, 'drain');
  }
  call.end();
  await answered;
}

async function ingest(uploadId) {
  stage = { name: 'examine', done: 0 };
  let last;
  const options = {
    ...{ description: '', modality: 'mri', bodyPart: '', splitSeed: 0n, valFraction: 0, testFraction: 0 },
    ...{ skipBadFiles: false, allowMd5Mismatch: false, normalisation: {} },
    ...{ resampleShape: [], resampleSpacingMm: [] },
  };
  const request = { name: 'memory', source: { $case: 'uploadId', value: uploadId }, options };
  for await (const { event } of service.client.ingest(request)) {
    last = event;
    if (event?.$case !== 'progress') continue;
    if (stage.name === 'examine') end('examine');
    stage = { name: 'write', done: Number(event.value.done) / Number(event.value.total) };
  }
  if (last?.$case !== 'dataset') throw new Error('the ingest ended without a dataset');
  return last.value;
}

function end(name) {
  ends[name] = (performance.now() - began) / 1000;
  say(`${name} ended after ${ends[name].toFixed(0)} s`);
}

function sample() {
  const [own, ...children] = family(service.child.pid).map(residentMb);
  samples.push({ ...stage, service: own, child: children.reduce((sum, mb) => sum + mb, 0) });
}

/** The process and all that it started. */
function family(pid) {
  const tasks = unlessGone(() => readdirSync(`/proc/${pid}/task`), []);
  const children = tasks.flatMap(
    (task) =>
      unlessGone(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'), '').match(/\d+/g) ?? [],
  );
  return [pid, ...children.flatMap(family)];
}

/** A thread or process may end between being named and being read. */
function unlessGone(read, otherwise) {
  try {
    return read();
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return otherwise;
    throw error;
  }
}

function residentMb(pid) {
  const status = unlessGone(() => readFileSync(`/proc/${pid}/status`, 'utf8'), '');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
}

function report({ images }) {
  const rows = [
    [
      'stage',
      'seconds',
      'MB/s',
      'service, peak MB',
      'child, peak MB',
      'both: 1st half',
      '2nd half',
      'growth',
    ],
  ];
  let before = 0;
  const growths = [];
  for (const [name, until] of Object.entries(ends)) {
    const of = samples.filter((taken) => taken.name === name);
    // While files are examined nothing says how far it is: half of the time stands for half of the work.
    const first = of.filter((taken, at) => (name === 'examine' ? at < of.length / 2 : taken.done < 0.5));
    const second = of.filter((taken) => !first.includes(taken));
    const growth = peak(second, both) / peak(first, both);
    growths.push(growth);
    const seconds = until - before;
    before = until;
    rows.push([
      name,
      seconds.toFixed(0),
      (bytes / 1e6 / seconds).toFixed(0),
      ...[peak(of, ({ service: mb }) => mb), peak(of, ({ child }) => child)].map((mb) => mb.toFixed(0)),
      ...[peak(first, both), peak(second, both)].map((mb) => mb.toFixed(0)),
      growth.toFixed(2),
    ]);
  }
  console.log(table(rows));
  const written = samples.filter(({ name }) => name === 'write');
  const tenths = Array.from({ length: TENTHS }, (_, tenth) =>
    peak(
      written.filter(({ done }) => Math.min(TENTHS - 1, Math.floor(done * TENTHS)) === tenth),
      both,
    ).toFixed(0),
  );
  console.log(`while writing, peak of both in each tenth of the images, MB: ${tenths.join(' ')}`);
  console.log(
    `${(bytes / 1e9).toFixed(2)} GB, ${source.length} files, ${images} images: peak ${peak(samples, both).toFixed(0)} MB, load ${loadavg()[0].toFixed(1)}`,
  );
  const flat = growths.every((growth) => growth <= GROWTH);
  console.log(
    flat ? '✓ flat: no second half above its first' : `✗ a second half is more than ${GROWTH}× its first`,
  );
  if (!flat) process.exitCode = 1;
}

function both({ service: own, child }) {
  return own + child;
}

function peak(of, value) {
  return of.reduce((most, taken) => Math.max(most, value(taken)), 0);
}

function say(text) {
  console.error(text);
}
