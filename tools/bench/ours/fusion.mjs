/** Raw fusions one at a time, this project's side: drawn and applied as the services do, every image seen before. */
import { createHash } from 'node:crypto';
import { fuse } from '../../../libs/brainfuse/dist/index.js';
import { FusionSpec, Rng } from '../../../libs/schema/dist/index.js';
import { givenCase, resident, samples, serve } from '../serve.mjs';

const { spatial, sources } = givenCase();
const shape = [...spatial, 1];
const size = shape.reduce((product, edge) => product * edge, 1);
const spec = FusionSpec.parse({ sources: [sources] });
const random = Rng.of('bench', 'fusion');
/** Other typed arrays over the same numbers at each call, so that nothing known of an image is found again. */
const images = Array.from({ length: sources }, (_, patient) => {
  const source = createHash('sha256').update(String(patient)).digest('hex');
  const record = {
    id: source.slice(0, 16),
    subject: `patient-${patient}`,
    split: 'train',
    modality: 'mri',
    bodyPart: 'head',
    shape,
    pixelType: 'uint16',
    labels: {},
    source,
    tensor: 'pixels',
    row: patient,
  };
  return { record, pixels: Uint16Array.from({ length: size }, () => random.uint32() & 0xffff) };
});
let index = 0;

const fusion = () => {
  index += 1;
  fuse(
    images.map(({ record, pixels }) => ({ record, pixels: pixels.subarray() })),
    spec,
    [],
    index,
  );
};
await samples(fusion, 0.3);
await serve(fusion, { sources }, { memory: resident });
