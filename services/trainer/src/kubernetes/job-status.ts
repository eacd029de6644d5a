import type { V1ContainerStateTerminated, V1Job, V1Pod } from '@kubernetes/client-node';
import { ERROR_CODES, type ErrorCode } from '@medformer/schema';
import type { BackendStatus } from '../training-backend.js';
import { CONTAINER, QUEUE_LABEL, SUSPENDED_ANNOTATION } from './job-template.js';

/** What a job and its pods say of their run. */
export function statusOf(job: V1Job, pods: readonly V1Pod[]): BackendStatus {
  const { metadata, spec } = job;
  const newest = [...pods].sort((x, y) => createdMs(y) - createdMs(x));
  const active = newest.find(isActive);
  if (metadata?.deletionTimestamp)
    return {
      state: active ? 'running' : 'ended',
      reason: active ? 'stopping: its pod writes a last checkpoint' : '',
      stopping: true,
    };
  if (hasCondition(job, 'Complete') || hasCondition(job, 'SuccessCriteriaMet'))
    return { state: 'ended', reason: '' };
  const failed = conditionOf(job, 'Failed') ?? conditionOf(job, 'FailureTarget');
  if (failed) return { state: 'ended', reason: '', failure: failureOf(failed, newest) };
  if (spec?.suspend) return { state: 'queued', reason: suspendedBecause(job) };
  if (!active) return { state: 'queued', reason: restartReason(newest) ?? 'its pod is not there yet' };
  if (active.metadata?.deletionTimestamp)
    return { state: 'running', reason: 'stopping: its pod writes a last checkpoint', stopping: true };
  if (active.status?.phase === 'Running') return { state: 'running', reason: '' };
  return { state: 'queued', reason: pendingBecause(active) };
}

/** Over for good, whichever way. */
export function isOver(job: V1Job): boolean {
  return (['Complete', 'Failed'] as const).some((type) => hasCondition(job, type));
}

function isActive({ status }: V1Pod): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

function suspendedBecause({ metadata }: V1Job): string {
  if (metadata?.annotations?.[SUSPENDED_ANNOTATION] === 'true') return 'suspended; ResumeRun lets it go on';
  const queue = metadata?.labels?.[QUEUE_LABEL];
  return queue ? `waits in queue ${queue}` : 'its job is suspended';
}

function pendingBecause({ status, spec }: V1Pod): string {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  // The scheduler's own words, e.g. 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.
  if (scheduled?.status === 'False') return scheduled.message ?? 'no node for its pod yet';
  for (const { state } of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const { reason, message } = state?.waiting ?? {};
    if (reason && reason !== 'ContainerCreating' && reason !== 'PodInitializing')
      return [reason, message].filter((part) => part).join(': ');
  }
  return spec?.nodeName ? `its pod starts on ${spec.nodeName}` : 'its pod waits for a node';
}

function restartReason(pods: readonly V1Pod[]): string | undefined {
  const ended = pods.map(endOf).find((each) => each !== undefined);
  return ended && `starts again after its pod ended with ${ended.exitCode}`;
}

function failureOf(
  { reason, message }: { reason?: string; message?: string },
  pods: readonly V1Pod[],
): NonNullable<BackendStatus['failure']> {
  if (reason === 'DeadlineExceeded')
    return { code: 'DEADLINE_EXCEEDED', message: 'the job took longer than its deadline' };
  const ended = pods.map(endOf).find((each) => each !== undefined && each.exitCode !== 0);
  const told = ended?.message && toldBy(ended.message);
  if (told) return told;
  if (ended?.reason === 'OOMKilled')
    return { code: 'RESOURCE_EXHAUSTED', message: 'its pod used more memory than its limit' };
  const how = ended ? `its pod ended with ${ended.exitCode}` : 'its pods were lost';
  return { code: 'UNAVAILABLE', message: [how, message].filter((part) => part).join('; ') };
}

/** The termination message of train-job. */
function toldBy(text: string): BackendStatus['failure'] {
  try {
    const { code, message } = JSON.parse(text);
    if (typeof message !== 'string' || !(ERROR_CODES as readonly unknown[]).includes(code)) return undefined;
    return { code: code as ErrorCode, message };
  } catch {
    return undefined;
  }
}

function endOf({ status }: V1Pod): V1ContainerStateTerminated | undefined {
  return status?.containerStatuses?.find(({ name }) => name === CONTAINER)?.state?.terminated;
}

function hasCondition(job: V1Job, type: string): boolean {
  return conditionOf(job, type) !== undefined;
}

function conditionOf({ status }: V1Job, type: string) {
  return status?.conditions?.find((each) => each.type === type && each.status === 'True');
}

function createdMs({ metadata }: V1Pod): number {
  return metadata?.creationTimestamp ? new Date(metadata.creationTimestamp).getTime() : 0;
}
