import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { statusOf } from './job-status.js';

const failed = (reason: string, message: string) => ({
  status: { conditions: [{ type: 'Failed', status: 'True', reason, message }] },
});

const ended = (exitCode: number, more: object = {}) => ({
  status: {
    phase: 'Failed',
    containerStatuses: [{ name: 'train', state: { terminated: { exitCode, ...more } } }],
  },
});

const status = (job: object, ...pods: object[]) => statusOf(job as V1Job, pods as V1Pod[]);

describe('a job', () => {
  it.each([
    ['without a pod', {}, [], 'its pod is not there yet'],
    [
      'in a queue of Kueue',
      { spec: { suspend: true }, metadata: { labels: { 'kueue.x-k8s.io/queue-name': 'training' } } },
      [],
      'waits in queue training',
    ],
    [
      'that SuspendRun suspended',
      { spec: { suspend: true }, metadata: { annotations: { 'medformer.io/suspended': 'true' } } },
      [],
      'suspended; ResumeRun lets it go on',
    ],
    [
      'without a node for its pod',
      {},
      [
        {
          status: {
            phase: 'Pending',
            conditions: [
              {
                type: 'PodScheduled',
                status: 'False',
                message: '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.',
              },
            ],
          },
        },
      ],
      '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.',
    ],
    [
      'whose image is not to be had',
      {},
      [
        {
          spec: { nodeName: 'gpu-0' },
          status: {
            phase: 'Pending',
            containerStatuses: [{ state: { waiting: { reason: 'ImagePullBackOff', message: 'not found' } } }],
          },
        },
      ],
      'ImagePullBackOff: not found',
    ],
    [
      'whose pod starts',
      {},
      [
        {
          spec: { nodeName: 'gpu-0' },
          status: {
            phase: 'Pending',
            containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }],
          },
        },
      ],
      'its pod starts on gpu-0',
    ],
    ['that starts again', {}, [ended(75)], 'starts again after its pod ended with 75'],
  ])('%s waits and says why', (_, job, pods, reason) => {
    expect(status(job, ...pods)).toEqual({ state: 'queued', reason });
  });

  it('runs by its newest pod, also while that one stops', () => {
    const running = { metadata: { creationTimestamp: '2026-01-02T00:00:00Z' }, status: { phase: 'Running' } };
    const old = { metadata: { creationTimestamp: '2026-01-01T00:00:00Z' }, ...ended(137) };
    expect(status({}, old, running)).toEqual({ state: 'running', reason: '' });
    const stopping = { ...running, metadata: { deletionTimestamp: '2026-01-03T00:00:00Z' } };
    const reason = 'stopping: its pod writes a last checkpoint';
    expect(status({}, stopping)).toEqual({ state: 'running', reason, stopping: true });
    expect(status({ metadata: { deletionTimestamp: '2026-01-03T00:00:00Z' } }, running)).toMatchObject({
      state: 'running',
      reason,
    });
  });

  it.each([
    [
      'in the words of its process',
      failed('PodFailurePolicy', 'Container train for pod x failed with exit code 2'),
      ended(2, {
        message: '{"code":"INVALID_ARGUMENT","message":"spec: model.width: expected 24, found 36"}',
      }),
      { code: 'INVALID_ARGUMENT', message: 'spec: model.width: expected 24, found 36' },
    ],
    [
      'for want of memory',
      failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit'),
      ended(137, { reason: 'OOMKilled' }),
      { code: 'RESOURCE_EXHAUSTED', message: 'its pod used more memory than its limit' },
    ],
    [
      'for want of time',
      failed('DeadlineExceeded', 'Job was active longer than specified deadline'),
      ended(75),
      { code: 'DEADLINE_EXCEEDED', message: 'the job took longer than its deadline' },
    ],
    [
      'by exit codes where its process said nothing that can be read',
      failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit'),
      ended(70, { message: 'Segmentation fault' }),
      {
        code: 'UNAVAILABLE',
        message: 'its pod ended with 70; Job has reached the specified backoff limit',
      },
    ],
  ])('that has failed says why, %s', (_, job, pod, failure) => {
    expect(status(job, pod)).toEqual({ state: 'ended', reason: '', failure });
  });

  it('that is complete has ended without a failure', () => {
    expect(status({ status: { conditions: [{ type: 'Complete', status: 'True' }] } })).toEqual({
      state: 'ended',
      reason: '',
    });
  });
});
