import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFilesystemStore, putBlob } from '@medformer/object-store';
import type { StoredTensor } from '@medformer/schema';
import { expect, it } from 'vitest';
import { encodeTensors, getTensors } from './tensor-blobs.js';

it('tensors that are larger than one object are stored in several, no tensor in two, and come back whole', async () => {
  const tensors = new Map<string, StoredTensor>(
    [40, 30, 30, 90, 10].map((size, at) => [
      `body/${at}`,
      { dtype: 'F32', shape: [size], data: new Float32Array(size).fill(at) },
    ]),
  );
  const blobs = encodeTensors(tensors, { step: '1' }, 4 * 70);
  expect(blobs).toHaveLength(4);
  expect(encodeTensors(tensors, { step: '1' })).toHaveLength(1);

  const root = await mkdtemp(join(tmpdir(), 'medformer-tensors-'));
  try {
    const store = await openFilesystemStore(root);
    const stored = [];
    for (const bytes of blobs) stored.push(await putBlob(store, bytes));
    expect(await getTensors(store, stored, 'some')).toEqual(tensors);
  } finally {
    await rm(root, { recursive: true });
  }
});
