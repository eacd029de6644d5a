import { serveCompute } from '@medformer/compute';
import { tensorMemory } from '@medformer/tensorflow';
import { compareScores } from './compare-scores.js';
import { describe } from './describe.js';
import { evaluate } from './evaluate.js';
import type { EvaluationCalls } from './evaluation-calls.js';
import { render } from './render.js';
import { renderDataReportPage } from './render-data-report.js';
import { makeReportFiles } from './report-files.js';

serveCompute<EvaluationCalls>(
  {
    compare: compareScores,
    describe,
    evaluate,
    render,
    renderDataReport: renderDataReportPage,
    reportFiles: makeReportFiles,
  },
  { tensors: tensorMemory },
);
