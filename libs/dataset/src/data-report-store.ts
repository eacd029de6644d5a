import { getRecord, type ObjectStore, putRecord } from '@medformer/object-store';
import {
  ContentHash,
  canonicalJson,
  contentAddress,
  DataReport,
  type DataReportSpec,
  parseRecord,
} from '@medformer/schema';
import { z } from 'zod';

const INDEX = 'data-report-index/';

const IndexEntry = z.object({ report: ContentHash });

export interface StoredDataReport {
  /** Content address of the record. */
  hash: string;
  report: DataReport;
}

/** Stores the report, then the index entry by which it is found again. */
export async function putDataReport(store: ObjectStore, report: DataReport): Promise<StoredDataReport> {
  const hash = await putRecord(store, report);
  const entry = Buffer.from(canonicalJson({ report: hash } satisfies z.input<typeof IndexEntry>));
  await store.put(indexKey(report.spec, report.codeVersion), entry, { contentType: 'application/json' });
  return { hash, report };
}

/** The report that this code has already made of an equal specification. */
export async function findDataReport(
  store: ObjectStore,
  spec: DataReportSpec,
  codeVersion: string,
): Promise<StoredDataReport | undefined> {
  const key = indexKey(spec, codeVersion);
  if (!(await store.head(key))) return undefined;
  const entry = JSON.parse((await store.get(key)).toString('utf8'));
  return getDataReport(store, parseRecord(IndexEntry, entry, key).report);
}

/** @throws MedformerError NOT_FOUND, DATA_LOSS; INVALID_ARGUMENT for what is no address or another record. */
export async function getDataReport(store: ObjectStore, hash: string): Promise<StoredDataReport> {
  parseRecord(ContentHash, hash, 'data report');
  return { hash, report: await getRecord(store, DataReport, hash, 'data report') };
}

const indexKey = (spec: DataReportSpec, codeVersion: string) =>
  `${INDEX}${contentAddress({ spec, codeVersion })}.json`;
