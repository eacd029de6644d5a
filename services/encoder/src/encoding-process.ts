import { serveCompute } from '@medformer/compute';
import { tensorMemory } from '@medformer/tensorflow';
import type { EncodingCalls, ModelSource } from './encoding-calls.js';
import { LoadedModel } from './loaded-model.js';

/** The one model of this process. */
let loaded: Promise<LoadedModel> | undefined;

serveCompute<EncodingCalls>(
  {
    async load(source) {
      return (await load(source)).description;
    },
    async encode({ model, batch }) {
      return (await current(model)).encode(batch);
    },
    async attend({ model, image, layers }) {
      return (await current(model)).attend(image, layers);
    },
  },
  { tensors: tensorMemory },
);

/** A process that took the place of one that died has nothing loaded yet. */
function current(source: ModelSource): Promise<LoadedModel> {
  return loaded ?? load(source);
}

function load(source: ModelSource): Promise<LoadedModel> {
  const loading = LoadedModel.load(source);
  loaded = loading;
  loading.catch(() => {
    loaded = undefined;
  });
  return loading;
}
