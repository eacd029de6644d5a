import type { CodeNames, CodeRows, Medformer } from '@medformer/medformer';
import type { MethodSpec } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { barlowTwins } from './barlow-twins.js';
import { consistency } from './consistency.js';
import { imageGpt } from './image-gpt.js';
import { jigsaw } from './jigsaw.js';
import { mae } from './mae.js';
import type { Method } from './method.js';
import { multiTask } from './multi-task.js';
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
  'multi-task': multiTask,
};

/** The method of this spec; the spec's own type is known to fit by the table above. */
export function methodOf(spec: MethodSpec): Method {
  return METHODS[spec.name] as unknown as Method;
}

/**
 * Features [B, D] of pixels in [0, 1] that probes and kNN read: the method's own where it has some, else the model's
 * embedding.
 */
export function features(
  spec: MethodSpec,
  model: Medformer,
  pixels: tf.Tensor,
  codes: CodeNames | CodeRows,
): tf.Tensor {
  return tf.tidy(() => {
    const input = model.prepare(pixels, codes);
    return methodOf(spec).embed?.(spec, model, input) ?? model.encode(input);
  });
}
