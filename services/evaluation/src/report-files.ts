import { getBlob, type ObjectStore, openObjectStore, putBlob } from '@medformer/object-store';
import { ContentHash, canonicalJson, MedformerError, parseRecord } from '@medformer/schema';
import { z } from 'zod';
import type { EvaluationCalls } from './evaluation-calls.js';
import type { ScoresFile } from './export-scores.js';
import { pageOf } from './render.js';
import { getReport, type StoredReport } from './report-store.js';
import { csvFile, jsonFile } from './table-files.js';

const PREFIX = 'report-files/';

export const REPORT_FORMATS = ['html', 'json', 'csv'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

const ReportFile = z.object({
  name: z.string(),
  mediaType: z.string(),
  sha256: ContentHash,
  bytes: z.int(),
});
/** A file of a report; its bytes lie at their own hash. */
export type ReportFile = z.output<typeof ReportFile>;

const ReportFiles = z.record(z.enum(REPORT_FORMATS), ReportFile);
type ReportFiles = z.output<typeof ReportFiles>;

/** The files that were stored with a report; undefined of a report from before there were any. */
export async function findReportFiles(store: ObjectStore, report: string): Promise<ReportFiles | undefined> {
  const key = keyOf(report);
  if (!(await store.head(key))) return undefined;
  return parseRecord(ReportFiles, JSON.parse((await store.get(key)).toString('utf8')), key);
}

/**
 * Makes a report's page, record and table and stores each at its content address, then the list of them: the page shows the
 * records of the checkpoints, which may be pruned later.
 */
export async function putReportFiles(store: ObjectStore, stored: StoredReport): Promise<ReportFiles> {
  const { report } = stored;
  const page = { name: 'report.html', bytes: Buffer.from(await pageOf(store, stored)) };
  const files: ReportFiles = {
    html: await put(store, page, 'text/html; charset=utf-8'),
    json: await put(store, jsonFile(report), 'application/json'),
    csv: await put(store, csvFile(report, [...report.rows.entries()]), 'text/csv; charset=utf-8'),
  };
  const list = Buffer.from(canonicalJson(files));
  await store.put(keyOf(stored.hash), list, { contentType: 'application/json' });
  return files;
}

/** As the compute process answers it: the files of a report that has none yet. */
export async function makeReportFiles({
  store: config,
  report,
}: EvaluationCalls['reportFiles']['input']): Promise<EvaluationCalls['reportFiles']['output']> {
  const store = await openObjectStore(config);
  return putReportFiles(store, await getReport(store, report));
}

/** @throws MedformerError DATA_LOSS for bytes that are gone or have another hash */
export async function readReportFile(store: ObjectStore, { name, sha256 }: ReportFile): Promise<Buffer> {
  return getBlob(store, sha256).catch((thrown) => {
    if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND')
      throw new MedformerError('DATA_LOSS', `${name} ${sha256}: not in the store`, { cause: thrown });
    throw thrown;
  });
}

async function put(store: ObjectStore, { name, bytes }: ScoresFile, mediaType: string): Promise<ReportFile> {
  return { name, mediaType, ...(await putBlob(store, bytes, { contentType: mediaType })) };
}

const keyOf = (report: string) => `${PREFIX}${report}.json`;
