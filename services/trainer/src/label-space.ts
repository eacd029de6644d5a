import { type DatasetManifest, type LabelSpace, MedformerError, type RunSpec } from '@medformer/schema';

/**
 * The classes that a run with labels learns; undefined for another method.
 * @throws MedformerError INVALID_ARGUMENT when the dataset has no such task, or none with one class per image
 */
export function labelSpaceOf({ method }: RunSpec, manifest: DatasetManifest): LabelSpace | undefined {
  if (!('task' in method)) return undefined;
  const space = manifest.labelSpaces.find(({ task }) => task === method.task);
  const known = manifest.labelSpaces.map(({ task }) => task).join(', ') || 'none';
  if (!space) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `method.task: dataset ${manifest.name} has no task ${method.task}; it has: ${known}`,
    );
  }
  if (space.kind === 'multi-label') {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `method.task: ${space.task} is multi-label; training on labels takes one class per image`,
    );
  }
  return space;
}
