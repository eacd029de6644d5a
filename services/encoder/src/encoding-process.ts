import { serveCompute } from '@medformer/compute';
import { MedformerError } from '@medformer/schema';
import type { EncodingCalls } from './encoding-calls.js';
import { LoadedModel } from './loaded-model.js';

let loaded: LoadedModel | undefined;

serveCompute<EncodingCalls>({
  async load(input) {
    loaded = await LoadedModel.load(input);
    return loaded.description;
  },
  async encode(input) {
    if (!loaded)
      throw new MedformerError('UNAVAILABLE', 'the model is not loaded in this process yet: call again');
    return loaded.encode(input);
  },
});
