import { type DatasetManifest, type LabelSpace, MedformerError, type RunSpec } from '@medformer/schema';

/**
 * The classes that a run with labels learns; undefined for another method.
 * @throws MedformerError INVALID_ARGUMENT when the dataset has no such task, or a multi-label one that the method cannot learn
 */
export function labelSpaceOf({ method }: RunSpec, manifest: DatasetManifest): LabelSpace | undefined {
  if (!('task' in method)) return undefined;
  const space = labelSpace(manifest, method.task, 'method.task');
  if (space.kind !== 'multi-label' || method.name === 'supervised') return space;
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `method.task: ${space.task} is multi-label; ${method.name} needs one class per image`,
  );
}

/**
 * The classes that a run's monitor tells apart; undefined for a run without one.
 * @throws MedformerError INVALID_ARGUMENT when the dataset has no such task
 */
export function monitoredSpaceOf({ monitor }: RunSpec, manifest: DatasetManifest): LabelSpace | undefined {
  return monitor && labelSpace(manifest, monitor.task, 'monitor.task');
}

function labelSpace(manifest: DatasetManifest, wanted: string, field: string): LabelSpace {
  const space = manifest.labelSpaces.find(({ task }) => task === wanted);
  const known = manifest.labelSpaces.map(({ task }) => task).join(', ') || 'none';
  if (!space) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `${field}: dataset ${manifest.name} has no task ${wanted}; it has: ${known}`,
    );
  }
  return space;
}
