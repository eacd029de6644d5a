import type { MethodSpec } from '@medformer/schema';
import { barlowTwins } from './barlow-twins.js';
import { consistency } from './consistency.js';
import { imageGpt } from './image-gpt.js';
import { jigsaw } from './jigsaw.js';
import { mae } from './mae.js';
import type { Method } from './method.js';
import { simclr } from './simclr.js';
import { supervised } from './supervised.js';

/** Every method by the name its spec carries. */
export const METHODS: { [Name in MethodSpec['name']]: Method<Extract<MethodSpec, { name: Name }>> } = {
  simclr,
  'barlow-twins': barlowTwins,
  jigsaw,
  mae,
  'image-gpt': imageGpt,
  consistency,
  supervised,
};

/** The method of this spec; the spec's own type is known to fit by the table above. */
export function methodOf(spec: MethodSpec): Method {
  return METHODS[spec.name] as unknown as Method;
}
