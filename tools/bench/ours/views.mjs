/** Views of one image at a time, this project's side: parameters drawn and applied as the trainer does. */
import { applyView, drawView, VIEW_POLICIES } from '../../../libs/augment/dist/index.js';
import { Rng } from '../../../libs/schema/dist/index.js';
import { givenCase, resident, samples, serve } from '../serve.mjs';

const { spatial, images } = givenCase();
const shape = [...spatial, 1];
const size = shape.reduce((product, edge) => product * edge, 1);
const source = Rng.of('bench', 'views');
const pool = Array.from({ length: images }, () =>
  Uint8Array.from({ length: size }, () => source.uint32() & 0xff),
);
const out = new Float32Array(size);
const [policy] = VIEW_POLICIES.simclr;
let step = 0;

const views = () => {
  step += 1;
  pool.forEach((pixels, index) => {
    applyView({ pixels, shape }, drawView(policy, spatial.length, Rng.of(7, 'view', step, 0, index)), out);
  });
};
await samples(views, 0.3);
await serve(views, { images }, { memory: resident });
