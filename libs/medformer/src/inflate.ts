import type { StoredTensor } from '@medformer/schema';

const IMAGES = 'input/patch-embed-2d/';
const VOLUMES = 'input/patch-embed-3d/';
const CODES = 'input/position-codes-';

/**
 * Weights whose ends for volumes no step has touched, with those made from the ends for images: a kernel stands in every
 * slice at a share of its strength (Carreira and Zisserman 2017, section 2.2), and the position codes read rows and columns as
 * before and slices not at all. A volume that is the same in every slice then enters as one of its slices does.
 *
 * Ends of other patches, and ends for volumes that were trained, stay as they are.
 * @param untrained names of the tensors that no step has touched
 */
export function inflated(
  weights: ReadonlyMap<string, StoredTensor>,
  untrained: readonly string[],
): Map<string, StoredTensor> {
  const made = new Map(weights);
  const pairs = untrained.flatMap((name) => {
    const source = name.replace(VOLUMES, IMAGES).replace(`${CODES}3d`, `${CODES}2d`);
    const images = untrained.includes(source) ? undefined : weights.get(source);
    const volumes = weights.get(name);
    const isEnd = name.startsWith(VOLUMES) || name.startsWith(`${CODES}3d`);
    return isEnd && images && volumes ? [{ name, images, volumes }] : [];
  });
  for (const { name, images, volumes } of pairs) {
    const from = name.startsWith(VOLUMES) ? inEverySlice(images) : withoutSlices(images, volumes);
    // All or none: half of a stem would not be one.
    if (from.shape.join() !== volumes.shape.join()) return new Map(weights);
    made.set(name, from);
  }
  return made;
}

/** A kernel [k, k, in, out] as [k, k, k, in, out]; a bias as it is. */
function inEverySlice({ dtype, shape, data }: StoredTensor): StoredTensor {
  if (shape.length !== 4) return { dtype, shape, data };
  const depth = shape[0]!;
  const kernel = new Float32Array(depth * data.length);
  for (let slice = 0; slice < depth; slice += 1)
    for (let at = 0; at < data.length; at += 1) kernel[slice * data.length + at] = data[at]! / depth;
  return { dtype, shape: [depth, ...shape], data: kernel };
}

/** Rows of codes [2 axes, D] behind as many zeros as the first of three axes has; a bias as it is. */
function withoutSlices({ dtype, shape, data }: StoredTensor, volumes: StoredTensor): StoredTensor {
  if (shape.length !== 2) return { dtype, shape, data };
  const rows = new Float32Array((data.length * 3) / 2);
  rows.set(data, data.length / 2);
  return { dtype, shape: [(shape[0]! * 3) / 2, volumes.shape[1]!], data: rows };
}
