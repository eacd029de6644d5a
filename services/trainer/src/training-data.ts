import { loadImages, resolveDataset } from '@medformer/dataset';
import type { CodeKeys } from '@medformer/medformer';
import type { ObjectStore } from '@medformer/object-store';
import {
  type DatasetManifest,
  type LabelSpace,
  labelledTasks,
  MedformerError,
  type RunSpec,
  type Split,
} from '@medformer/schema';
import type { MonitoredImages, TrainingGroup } from '@medformer/ssl';
import { monitoredSpaceOf } from './label-space.js';
import { labelledSubset, withOtherLabelsHidden } from './labelled-subset.js';

/**
 * The manifests of all data sets of a run, in the order of its spec.
 * @throws MedformerError INVALID_ARGUMENT for a modality of the spec that none of them has
 */
export async function manifestsOf(
  store: ObjectStore,
  { dataset, datasets = [], modalities = [] }: RunSpec,
): Promise<DatasetManifest[]> {
  const resolved = await Promise.all([dataset, ...datasets].map((address) => resolveDataset(store, address)));
  const manifests = resolved.map(({ manifest }) => manifest);
  const known = new Set(manifests.flatMap(({ census }) => Object.keys(census.modalities)));
  const unknown = modalities.find((modality) => !known.has(modality));
  if (unknown === undefined) return manifests;
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `modalities: no image of ${unknown} in ${manifests.map(({ name }) => name).join(', ')}; there are: ${[...known].sort().join(', ')}`,
  );
}

/** Images of a split by shape, a data set after the other. */
export async function loadSplit(
  store: ObjectStore,
  manifests: readonly DatasetManifest[],
  split: Split,
  { dimensions, modalities }: RunSpec,
  signal: AbortSignal,
): Promise<TrainingGroup[]> {
  const groups: TrainingGroup[] = [];
  for (const manifest of manifests)
    groups.push(...(await loadImages(store, manifest, { split, dimensions, modalities, signal })));
  return groups;
}

/**
 * What a run may see: of one task labelled images only, of several those of each under its name, of a semi-supervised run
 * all images with few labels shown, or all.
 * @param spaces of the tasks, in the order of the spec
 * @throws MedformerError FAILED_PRECONDITION naming a task without a labelled image
 */
export function imagesFor(
  { method }: RunSpec,
  images: TrainingGroup[],
  spaces: readonly LabelSpace[],
): TrainingGroup[] {
  const tasks = labelledTasks(method);
  if (tasks.length === 0) return images;
  if (method.name === 'consistency') return withOtherLabelsHidden(images, method, spaces[0]!);
  return tasks.flatMap((wanted, at) => {
    const own = labelledSubset(images, wanted, spaces[at]!);
    if (method.name !== 'multi-task') return own;
    if (own.length > 0) return own.map((group) => ({ ...group, task: wanted.task }));
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `method.tasks.${at}: no image to train on has a label for ${wanted.task}`,
    );
  });
}

/** Checkpoints name so many shapes at most: a cohort whose images are all of their own shape has no unseen ones. */
const MOST_SHAPES = 64;

/**
 * Spatial edges of the training images, most frequent first; those of an initial checkpoint too, where this run has no image
 * of as many axes.
 */
export function trainedShapes(
  groups: readonly TrainingGroup[],
  before: readonly (readonly number[])[],
): number[][] {
  const images = new Map<string, number>();
  for (const { shape, records } of groups) {
    const key = shape.slice(0, -1).join('x');
    images.set(key, (images.get(key) ?? 0) + records.length);
  }
  const own = [...images]
    .sort(([, x], [, y]) => y - x)
    .slice(0, MOST_SHAPES)
    .map(([key]) => key.split('x').map(Number));
  const axes = new Set(own.map((shape) => shape.length));
  return [...own, ...before.filter((shape) => !axes.has(shape.length)).map((shape) => [...shape])];
}

/** The keys that get a code of their own. One that is always withheld would never be trained: it does not exist. */
export function codeKeysOf(
  { codeDropout, modalities }: Pick<RunSpec, 'codeDropout' | 'modalities'>,
  manifests: readonly DatasetManifest[],
): Pick<CodeKeys, 'modalities' | 'bodyParts'> {
  const keys = (of: 'modalities' | 'bodyParts') =>
    [...new Set(manifests.flatMap(({ census }) => Object.keys(census[of])))].sort();
  const takesPart = (modality: string) => modalities?.includes(modality) ?? true;
  return {
    modalities: codeDropout.modality < 1 ? keys('modalities').filter(takesPart) : [],
    bodyParts: codeDropout.bodyPart < 1 ? keys('bodyParts') : [],
  };
}

/** The images that the run's monitor scores features by. */
export async function monitoredImages(
  store: ObjectStore,
  manifests: readonly DatasetManifest[],
  spec: RunSpec,
  images: TrainingGroup[],
  signal: AbortSignal,
): Promise<{ monitored?: MonitoredImages }> {
  const space = monitoredSpaceOf(spec, manifests);
  if (!spec.monitor || !space) return {};
  const validation = await loadSplit(store, manifests, 'val', spec, signal);
  const all = { task: spec.monitor.task, labelSeed: 0 };
  return {
    monitored: {
      space,
      train: labelledSubset(images, spec.monitor, space),
      validation: labelledSubset(validation, all, space),
    },
  };
}
