import { serveCompute } from '@medformer/compute';
import { evaluate } from './evaluate.js';
import type { EvaluationCalls } from './evaluation-calls.js';
import { render } from './render.js';

serveCompute<EvaluationCalls>({ evaluate, render });
