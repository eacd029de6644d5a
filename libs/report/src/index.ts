export { type DataReportInput, renderDataReport } from './data-report/render-data-report.js';
export {
  type DatasetPageInput,
  renderDatasetPage,
  type ShownImage,
} from './dataset-page/render-dataset-page.js';
export { mapEmbeddings } from './embedding-map.js';
export { type Comparison, compareWithBaseline, summariseFindings } from './findings.js';
export { type ReferenceLoss, referenceLosses } from './reference-losses.js';
export { renderReport } from './render-report.js';
export type { ReportInput, SampleImages, ShownFusions } from './report-input.js';
