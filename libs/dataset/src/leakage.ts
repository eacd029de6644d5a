import { leakageText } from '@medformer/data-report';
import type { ObjectStore } from '@medformer/object-store';
import { DataReportSpec, type LeakagePolicy, MedformerError } from '@medformer/schema';
import { findDataReport, type StoredDataReport } from './data-report-store.js';
import { type DescribeOptions, describeDatasets } from './describe-datasets.js';

/** What the data sets have in two splits, in a sentence; undefined where nothing is. Computed once for all who ask. */
export async function findLeakage(
  store: ObjectStore,
  datasets: readonly string[],
  options: Omit<DescribeOptions, 'embed'>,
): Promise<string | undefined> {
  return textOf(await describeDatasets(store, specOf(datasets), options));
}

/** The same where it is known, without computing it. */
export async function knownLeakage(
  store: ObjectStore,
  datasets: readonly string[],
  codeVersion: string,
): Promise<string | undefined> {
  const known = await findDataReport(store, specOf(datasets), codeVersion);
  return known && textOf(known);
}

/**
 * @param leakage what `findLeakage` gave
 * @returns the warning, where it is allowed
 * @throws MedformerError FAILED_PRECONDITION that says how to allow it
 */
export function judgeLeakage(
  leakage: string | undefined,
  policy: LeakagePolicy = 'refuse',
): string | undefined {
  if (leakage === undefined || policy === 'warn') return leakage;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `${leakage}. Scores on such a split would be too high. Mend the splits, or allow it by \`leakage: warn\` in the run's spec; \`medformer datasets report\` shows the pairs`,
  );
}

/** In one order, so that equal sets of data sets have one report. */
function specOf(datasets: readonly string[]): DataReportSpec {
  return DataReportSpec.parse({ datasets: [...new Set(datasets)].sort() });
}

function textOf({ report }: StoredDataReport): string | undefined {
  return leakageText(report);
}
