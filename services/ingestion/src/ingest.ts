import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import {
  type DatasetDescription,
  type DatasetImage,
  findIngested,
  putDeidentificationAudits,
  writeDataset,
} from '@medformer/dataset';
import {
  DrawAgain,
  type ImageSource,
  openSource,
  type SourceFile,
  type SourceOptions,
  sourceDigest,
} from '@medformer/imaging';
import { openObjectStore } from '@medformer/object-store';
import { writeCohort } from '@medformer/phantom';
import { type DatasetManifest, MedformerError, sha256 } from '@medformer/schema';
import { DicomDeidentification } from './dicom-deidentification.js';
import type { IngestionEvent, IngestionInput, IngestionOutput, IngestionSource } from './ingestion-calls.js';
import { StageClock } from './stage-clock.js';

interface Context {
  signal: AbortSignal;
  progress(event: IngestionEvent): void;
}

/**
 * From raw files to a dataset in the store. The same files under the same options by the same code are not ingested
 * again: their dataset is found and named. Stopped at any point, no dataset is there, and the next attempt gives the
 * same one.
 */
export async function ingest(input: IngestionInput, context: Context): Promise<IngestionOutput> {
  const { name, description, codeVersion } = input;
  const store = await openObjectStore(input.store);
  const { folder, files } = await collect(input.source, context);
  const deidentification =
    input.source.kind === 'upload' ? new DicomDeidentification(input.deidentification) : undefined;
  const options = { ...sourceOptions(input), ...(deidentification ? { deidentification } : {}) };
  const digest = sourceDigest(files, options);
  const known = await findIngested(store, { name, description, digest, codeVersion });
  if (known) return output(known.hash, known.manifest, true);

  const source = await openSource(folder, files, options, (refusal) =>
    context.progress({ type: 'refused', refusal }),
  );
  const described = describe(input, source, digest);
  if (deidentification) {
    const audits = await putDeidentificationAudits(store, digest, deidentification.audits());
    described.deidentification = deidentification.describe(described.deidentification, audits);
  }
  const write = () =>
    writeDataset(store, described, counted(source, context), {
      signal: context.signal,
      maxShardBytes: input.maxShardBytes,
    });
  const written = await write().catch((error: unknown) => {
    if (error instanceof DrawAgain) return write();
    throw error;
  });
  return output(written.hash, written.manifest, !written.created);
}

async function collect(
  source: IngestionSource,
  context: Context,
): Promise<{ folder: string; files: SourceFile[] }> {
  if (source.kind === 'upload') return source;
  const report = (progress: (IngestionEvent & { type: 'progress' })['progress']) =>
    context.progress({ type: 'progress', progress });
  const generating = new StageClock('generate', 'patients', report);
  await writeCohort(source.folder, source.cohort, {
    signal: context.signal,
    onProgress: ({ patients, of }) => generating.at(patients, of),
  });
  const reading = new StageClock('read', 'files', report);
  const paths = await listFiles(source.folder);
  const files: SourceFile[] = [];
  for (const path of paths) {
    if (context.signal.aborted) throw new MedformerError('CANCELLED', 'cancelled by the caller');
    files.push(await announce(source.folder, path));
    reading.at(files.length, paths.length);
  }
  return { folder: source.folder, files };
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

async function announce(folder: string, path: string): Promise<SourceFile> {
  const bytes = await readFile(join(folder, path));
  return { path, bytes: bytes.length, sha256: sha256(bytes) };
}

function sourceOptions({ options, source, pseudonymKey, maxArchiveBytes }: IngestionInput): SourceOptions {
  const { valFraction: val, testFraction: test, ...chosen } = options;
  return {
    ...chosen,
    fractions: { train: 1 - val - test, val, test },
    synthetic: source.kind === 'phantom',
    pseudonymKey,
    maxArchiveBytes,
  };
}

function describe(
  { name, description, source: { kind }, codeVersion }: IngestionInput,
  source: ImageSource,
  digest: string,
): DatasetDescription {
  const bytes = source.files.reduce((sum, file) => sum + file.bytes, 0);
  return {
    name,
    description,
    source: {
      format: source.format,
      synthetic: kind === 'phantom',
      digest,
      files: source.files.length,
      bytes,
    },
    deidentification: source.deidentification,
    normalisation: source.normalisation,
    ...(source.resampling ? { resampling: source.resampling } : {}),
    splits: source.splits,
    labelSpaces: source.labelSpaces,
    codeVersion,
  };
}

async function* counted(source: ImageSource, { signal, progress }: Context): AsyncIterable<DatasetImage> {
  const writing = new StageClock('write', 'images', (now) => progress({ type: 'progress', progress: now }));
  let done = 0;
  writing.at(0, source.total);
  for await (const image of source.images(signal)) {
    yield image;
    done += 1;
    writing.at(done, source.total);
  }
}

function output(
  manifest: string,
  { name, census }: DatasetManifest,
  alreadyPresent: boolean,
): IngestionOutput {
  return { name, manifest, images: sum(census.images), subjects: sum(census.subjects), alreadyPresent };
}

function sum(counts: Partial<Record<string, number>>): number {
  return Object.values(counts).reduce<number>((total, count) => total + (count ?? 0), 0);
}
