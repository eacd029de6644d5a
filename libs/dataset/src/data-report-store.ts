import { findIndexed, getRecord, type ObjectStore, putIndexed } from '@medformer/object-store';
import { ContentHash, DataReport, type DataReportSpec, parseRecord } from '@medformer/schema';

const INDEX = 'data-report-index/';

export interface StoredDataReport {
  /** Content address of the record. */
  hash: string;
  report: DataReport;
}

/** Stores the report, then the index entry by which it is found again. */
export async function putDataReport(store: ObjectStore, report: DataReport): Promise<StoredDataReport> {
  const { spec, codeVersion } = report;
  return { hash: await putIndexed(store, INDEX, { spec, codeVersion }, report), report };
}

/** The report that this code has already made of an equal specification. */
export async function findDataReport(
  store: ObjectStore,
  spec: DataReportSpec,
  codeVersion: string,
): Promise<StoredDataReport | undefined> {
  const hash = await findIndexed(store, INDEX, { spec, codeVersion });
  return hash === undefined ? undefined : getDataReport(store, hash);
}

/** @throws MedformerError NOT_FOUND, DATA_LOSS; INVALID_ARGUMENT for what is no address or another record. */
export async function getDataReport(store: ObjectStore, hash: string): Promise<StoredDataReport> {
  parseRecord(ContentHash, hash, 'data report');
  return { hash, report: await getRecord(store, DataReport, hash, 'data report') };
}
