import {
  type DatasetManifest,
  type LabelSpace,
  labelledTasks,
  MedformerError,
  type RunSpec,
} from '@medformer/schema';

/**
 * The classes of every task that a run learns from labels, in the order of its spec; none of another method.
 * @throws MedformerError INVALID_ARGUMENT when no data set has such a task, two have different ones under its name, or it
 *   is a multi-label one that the method cannot learn
 */
export function labelSpacesOf({ method }: RunSpec, manifests: readonly DatasetManifest[]): LabelSpace[] {
  return labelledTasks(method).map(({ task }, at) => {
    const field = method.name === 'multi-task' ? `method.tasks.${at}.task` : 'method.task';
    const space = labelSpace(manifests, task, field);
    if (space.kind !== 'multi-label' || method.name !== 'consistency') return space;
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `${field}: ${task} is multi-label; ${method.name} needs one class per image`,
    );
  });
}

/**
 * The classes that a run's monitor tells apart; undefined for a run without one.
 * @throws MedformerError INVALID_ARGUMENT when no data set has such a task
 */
export function monitoredSpaceOf(
  { monitor }: RunSpec,
  manifests: readonly DatasetManifest[],
): LabelSpace | undefined {
  return monitor && labelSpace(manifests, monitor.task, 'monitor.task');
}

function labelSpace(manifests: readonly DatasetManifest[], wanted: string, field: string): LabelSpace {
  const spaces = manifests.flatMap(({ labelSpaces }) => labelSpaces);
  const [space, ...others] = spaces.filter(({ task }) => task === wanted);
  if (!space) {
    const known = [...new Set(spaces.map(({ task }) => task))].join(', ') || 'none';
    const names = manifests.map(({ name }) => name).join(', ');
    const [where, they] =
      manifests.length === 1 ? [`dataset ${names} has`, 'it has'] : [`datasets ${names} have`, 'they have'];
    throw new MedformerError('INVALID_ARGUMENT', `${field}: ${where} no task ${wanted}; ${they}: ${known}`);
  }
  const same = ({ kind, classes }: LabelSpace) =>
    kind === space.kind && classes.join('\n') === space.classes.join('\n');
  if (others.every(same)) return space;
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `${field}: ${wanted} is not the same in every data set: kind and classes differ`,
  );
}
