import { serveCompute } from '@medformer/compute';
import { tensorMemory } from '@medformer/tensorflow';
import { describe } from './describe.js';
import { evaluate } from './evaluate.js';
import type { EvaluationCalls } from './evaluation-calls.js';
import { render } from './render.js';
import { renderDataReportPage } from './render-data-report.js';

serveCompute<EvaluationCalls>(
  { describe, evaluate, render, renderDataReport: renderDataReportPage },
  { tensors: tensorMemory },
);
