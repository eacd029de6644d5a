import { serveCompute } from '@medformer/compute';
import { replay } from './replay.js';
import { train } from './train.js';
import type { TrainingCalls } from './training-calls.js';

serveCompute<TrainingCalls>({ train, replay });
