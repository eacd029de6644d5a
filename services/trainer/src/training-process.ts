import { serveCompute } from '@medformer/compute';
import { tensorMemory } from '@medformer/tensorflow';
import { trainClaimed } from './claimed-training.js';
import { replay } from './replay.js';
import type { TrainingCalls } from './training-calls.js';

serveCompute<TrainingCalls>({ train: trainClaimed, replay }, { tensors: tensorMemory });
