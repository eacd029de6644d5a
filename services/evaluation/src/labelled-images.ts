import { type ImageGroup, loadImages } from '@medformer/dataset';
import { type TaskLabels, takeLabels, taskLabelsOf } from '@medformer/evaluators';
import type { ObjectStore } from '@medformer/object-store';
import {
  type DatasetManifest,
  type ImageRecord,
  type LabelSpace,
  MedformerError,
  type Split,
} from '@medformer/schema';

/** The images of a split that carry a label for the task, in the order in which training draws its labelled subset. */
export interface LabelledImages {
  groups: ImageGroup[];
  /** `[images]`, over all groups. */
  records: ImageRecord[];
  labels: TaskLabels;
}

/**
 * @throws MedformerError FAILED_PRECONDITION when the split has no labelled image of these dimensions, DATA_LOSS for
 * a label beyond the label space.
 */
export async function loadLabelled(
  store: ObjectStore,
  manifest: DatasetManifest,
  space: LabelSpace,
  wanted: { split: Split; dimensions: (2 | 3)[]; modalities?: readonly string[]; signal: AbortSignal },
): Promise<LabelledImages> {
  const all = await loadImages(store, manifest, wanted);
  const groups = all.flatMap((group) => keepRows(group, ({ labels }) => labels[space.task] !== undefined));
  const records = groups.flatMap((group) => group.records);
  if (records.length === 0) {
    const { split, dimensions, modalities } = wanted;
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `dataset ${manifest.name}: the ${split} split has no ${dimensions.join('D or ')}D image${modalities ? ` of ${modalities.join(', ')}` : ''} with a label for ${space.task}`,
    );
  }
  return { groups, records, labels: taskLabelsOf(records, space) };
}

/** The images at the given positions (ascending, over all groups). */
export function selectImages(
  { groups, records, labels }: LabelledImages,
  positions: number[],
): LabelledImages {
  const wanted = new Set(positions.map((position) => records[position]));
  return {
    groups: groups.flatMap((group) => keepRows(group, (record) => wanted.has(record))),
    records: positions.map((position) => records[position]!),
    labels: takeLabels(labels, positions),
  };
}

function keepRows(group: ImageGroup, keep: (record: ImageRecord) => boolean): ImageGroup[] {
  const rows = [...group.records.keys()].filter((row) => keep(group.records[row]!));
  if (rows.length === 0) return [];
  if (rows.length === group.records.length) return [group];
  const size = group.shape.reduce((product, edge) => product * edge, 1);
  const pixels = group.pixels.slice(0, rows.length * size);
  for (const [to, from] of rows.entries()) {
    pixels.set(group.pixels.subarray(from * size, (from + 1) * size), to * size);
  }
  return [{ ...group, pixels, records: rows.map((row) => group.records[row]!) }];
}
