import { serveCompute } from '@medformer/compute';
import { tensorMemory } from '@medformer/tensorflow';
import type { GeneratorCalls } from './fusion-calls.js';
import { trainGenerator } from './train-generator.js';

serveCompute<GeneratorCalls>(
  {
    trainGenerator: (input, { signal, progress }) => trainGenerator(input, { signal, onProgress: progress }),
  },
  { tensors: tensorMemory },
);
