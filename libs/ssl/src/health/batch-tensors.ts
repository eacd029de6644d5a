import { MedformerError, type StoredTensor } from '@medformer/schema';
import type { HostBatch } from '../batch.js';

const CODES = ['modality', 'bodyPart'] as const;

/** The values of a batch's parts by name, `<part>/x`, `<part>/modality`, `<part>/drawn/<name>` and so on, to be stored. */
export function batchTensors(parts: readonly HostBatch[]): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const [part, batch] of parts.entries()) {
    const rows = batch.modality.length;
    tensors.set(`${part}/x`, { dtype: 'F32', shape: [rows, ...batch.shape], data: batch.x });
    for (const name of CODES)
      tensors.set(`${part}/${name}`, { dtype: 'I32', shape: [batch[name].length], data: batch[name] });
    const { labels, images } = batch;
    const shape = [images.length, labels.length / images.length];
    tensors.set(`${part}/labels`, { dtype: 'F32', shape, data: labels });
    for (const [name, { data, shape }] of Object.entries(batch.drawn)) {
      const dtype = data instanceof Int32Array ? 'I32' : 'F32';
      tensors.set(`${part}/drawn/${name}`, { dtype, shape, data });
    }
  }
  return tensors;
}

/** The parts again. @throws MedformerError DATA_LOSS naming a tensor that is missing */
export function batchesOf(
  parts: readonly (Pick<HostBatch, 'images' | 'group'> & { task?: string | undefined })[],
  tensors: ReadonlyMap<string, StoredTensor>,
): HostBatch[] {
  return parts.map(({ images, group, task }, part) => {
    const of = (name: string): StoredTensor => {
      const found = tensors.get(`${part}/${name}`);
      if (!found) throw new MedformerError('DATA_LOSS', `failed step: missing ${part}/${name}`);
      return found;
    };
    const x = of('x');
    const drawn = [...tensors].flatMap(([name, { data, shape }]) => {
      const [, own] = name.split(`${part}/drawn/`);
      return name.startsWith(`${part}/drawn/`)
        ? [[own!, { data: data as Float32Array | Int32Array, shape }]]
        : [];
    });
    const [modality, bodyPart] = CODES.map((name) => of(name).data as Int32Array);
    const { dtype, data: labels } = of('labels');
    if (dtype !== 'F32')
      throw new MedformerError('DATA_LOSS', `failed step: ${part}/labels: expected F32, found ${dtype}`);
    return {
      group,
      ...(task === undefined ? {} : { task }),
      images,
      x: x.data as Float32Array,
      shape: x.shape.slice(1),
      modality: modality!,
      bodyPart: bodyPart!,
      labels: labels as Float32Array,
      drawn: Object.fromEntries(drawn),
    };
  });
}
