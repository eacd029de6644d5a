import { findIndexed, newestHashes, type ObjectStore, putIndexEntry } from '@medformer/object-store';
import {
  ContentHash,
  canonicalJson,
  MedformerError,
  parseRecord,
  ScoreReport,
  sha256,
} from '@medformer/schema';

const REPORTS = 'reports/';
const INDEX = 'report-index/';

export interface StoredReport {
  /** Content address of the record. */
  hash: string;
  report: ScoreReport;
}

/** Stores the report, then the index entry by which an equal request finds it again. */
export async function putReport(store: ObjectStore, { hash, report }: StoredReport): Promise<void> {
  const contentType = 'application/json';
  await store.put(reportKey(hash), Buffer.from(canonicalJson(report)), { ifAbsent: true, contentType });
  const { spec, codeVersion } = report;
  await putIndexEntry(store, INDEX, { spec, codeVersion }, hash);
}

/** @throws MedformerError NOT_FOUND; INVALID_ARGUMENT for no address; DATA_LOSS for bytes of another hash. */
export async function getReport(store: ObjectStore, hash: string): Promise<StoredReport> {
  if (!ContentHash.safeParse(hash).success) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `report: expected 64 lower-case hex digits, found ${JSON.stringify(hash.slice(0, 80))}`,
    );
  }
  const bytes = await store.get(reportKey(hash)).catch((thrown) => {
    if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND') {
      throw new MedformerError('NOT_FOUND', `report ${hash}: not in the store`, { cause: thrown });
    }
    throw thrown;
  });
  if (sha256(bytes) !== hash) {
    throw new MedformerError('DATA_LOSS', `report ${hash}: the stored bytes have SHA-256 ${sha256(bytes)}`);
  }
  return { hash, report: parseRecord(ScoreReport, JSON.parse(bytes.toString('utf8')), `report ${hash}`) };
}

/** Address of the report that this code has already computed for an equal request. */
export async function findReport(
  store: ObjectStore,
  { spec, codeVersion }: Pick<ScoreReport, 'spec' | 'codeVersion'>,
): Promise<string | undefined> {
  return findIndexed(store, INDEX, { spec, codeVersion });
}

/** The newest reports, newest first; all without a limit. */
export async function listReports(
  store: ObjectStore,
  limit = Number.POSITIVE_INFINITY,
): Promise<StoredReport[]> {
  const found = await newestHashes(store, REPORTS, (key) => key.slice(REPORTS.length).replace(/\.json$/, ''));
  const reports: StoredReport[] = [];
  for (const hash of found.slice(0, limit)) reports.push(await getReport(store, hash));
  return reports;
}

const reportKey = (hash: string) => `${REPORTS}${hash}.json`;
