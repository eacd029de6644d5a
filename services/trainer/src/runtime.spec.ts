import { useBackend } from '@medformer/tensorflow';
import { expect, it } from 'vitest';
import { runtimeDifference, runtimeOf } from './runtime.js';

const before = { tensorflow: '2.21.0', threads: 2, processor: 'some', node: '22.0.0', workers: 1 };

it('a run goes on in silence under what it was computed with, and names every difference', () => {
  expect(runtimeDifference(before, { ...before })).toBeUndefined();
  expect(runtimeDifference(before, { ...before, threads: 4, tensorflow: '2.22.0', workers: 2 })).toBe(
    "goes on with tensorflow 2.22.0 after 2.21.0, threads 4 after 2, workers 2 after 1: its losses will differ from an unbroken run's in their last digits",
  );
});

it('what steps are computed with is read from the loaded backend', async () => {
  const backend = await useBackend({ threads: 1 });
  expect(runtimeOf(backend, 3)).toEqual({
    tensorflow: backend.tensorflowVersion,
    threads: 1,
    processor: expect.stringMatching(/./),
    node: process.versions.node,
    workers: 3,
  });
});
