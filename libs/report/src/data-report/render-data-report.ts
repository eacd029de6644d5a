import type { DataReport } from '@medformer/schema';
import { page, type Section } from '../page.js';
import { balances } from './balances.js';
import { cohortHeader } from './cohort-header.js';
import { duplicatePairs } from './duplicate-pairs.js';
import { shapes } from './shapes.js';
import { similarities } from './similarities.js';

/** Everything the page is made of; no part is fetched by the page itself. */
export interface DataReportInput {
  /** Content address of `report`. */
  hash: string;
  report: DataReport;
  /** Of the first listed pairs both images as `data:image/png;base64,…`, in order. */
  pictures: string[][];
}

/**
 * A data report as one self-contained HTML page: what leaks, pairs with their pictures, similarity of groups, class balance
 * and shapes. It names images by their ids alone. Light and dark.
 */
export function renderDataReport(input: DataReportInput): string {
  const { report, hash } = input;
  const sections: Section[] = [
    ['duplicates', 'Duplicates', duplicatePairs(input)],
    ['similarity', 'Similarity', similarities(report)],
    ['balance', 'Class balance', balances(report.datasets)],
    ['shapes', 'Shapes', shapes(report)],
  ];
  return page({
    title: `${report.datasets.map(({ name }) => name).join(', ')} · Medformer data report`,
    header: cohortHeader(report),
    sections,
    footer: `Data report ${hash} · code ${report.codeVersion}`,
  });
}
