import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { openS3Store } from '@medformer/object-store';
import { type S3Server, startMinio } from '@medformer/object-store/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DirectUploads } from './direct-uploads.js';
import { announce, noise, npz } from './spec/files.js';
import { type Service, startService, uploaded } from './spec/service.js';
import { UploadSpool } from './upload-spool.js';

let root: string;
let minio: S3Server;
let service: Service;
let file: Buffer;
let env: Record<string, string>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'direct-uploads-'));
  minio = await startMinio();
  const { endpoint, bucket, accessKey, secretKey } = minio.options;
  env = {
    MEDFORMER_UPLOAD_STORE: `s3://${bucket}?endpoint=${endpoint}`,
    MEDFORMER_STORE_ACCESS_KEY: accessKey,
    MEDFORMER_STORE_SECRET_KEY: secretKey,
  };
  service = await startService(join(root, 'data'), env);
  file = npzOf(1);
});
afterAll(async () => {
  await service.stop();
  await minio.stop();
  await rm(root, { recursive: true, force: true });
});

const put = async (url: string, bytes: Uint8Array) =>
  (await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) })).status;
const begin = (bytes: Buffer, direct = true) =>
  service.call('beginUpload', { direct, files: [announce('scan.npz', bytes)] });
const inBucket = async () => {
  const keys: string[] = [];
  for await (const { key } of openS3Store(minio.options).list('')) keys.push(key);
  return keys;
};

/** Large enough to be worth a PUT: `120 + more` images to train on and 5 others. */
function npzOf(more: number): Buffer {
  const count = 120 + more;
  return Buffer.from(npz({ train_images: { data: noise(count * 784) } }, count));
}

describe('uploads by presigned URL', () => {
  it('takes a file from the bucket, the same dataset as over gRPC, and leaves nothing there', async () => {
    const { uploadId, missing } = await begin(file);
    expect(await put(missing[0]!.putUrl, file)).toBe(200);
    expect((await begin(file)).missing).toEqual([]);
    const direct = await service.stream(uploaded('direct', uploadId));
    expect(await inBucket()).toEqual([]);

    const elsewhere = await startService(join(root, 'elsewhere'));
    try {
      const { dataset } = await elsewhere.ingest('direct', { 'scan.npz': file });
      expect(direct.dataset!.manifest).toBe(dataset!.manifest);
    } finally {
      await elsewhere.stop();
    }
  });

  it('offers no URL to who cannot use one', async () => {
    expect((await begin(npzOf(2), false)).missing).toEqual([
      { path: 'scan.npz', offsetBytes: 0n, putUrl: '' },
    ]);
  });

  it('refuses other bytes than announced, removes them, and takes the right ones afterwards', async () => {
    const right = npzOf(3);
    const wrong = Buffer.from(right);
    wrong[5000]! ^= 1;
    const { uploadId, missing } = await begin(right);
    await put(missing[0]!.putUrl, wrong);
    await expect(service.stream(uploaded('wrong', uploadId))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('scan.npz: content: expected SHA-256'),
    });
    await put(missing[0]!.putUrl, wrong.subarray(1));
    await expect(service.stream(uploaded('wrong', uploadId))).rejects.toMatchObject({
      details: expect.stringContaining('scan.npz: size: expected'),
    });
    expect(await inBucket()).toEqual([]);
    await put((await begin(right)).missing[0]!.putUrl, right);
    expect((await service.stream(uploaded('wrong', uploadId))).dataset!.images).toBe(128n);
  });

  it('finds what arrived after it was killed, and what another upload brought before', async () => {
    const bytes = npzOf(4);
    const { uploadId, missing } = await begin(bytes);
    await put(missing[0]!.putUrl, bytes);
    service.process.kill('SIGKILL');
    service = await startService(join(root, 'data'), env);
    expect((await begin(bytes)).missing).toEqual([]);
    expect((await service.stream(uploaded('survives', uploadId))).dataset!.images).toBe(129n);

    const renamed = [announce('another/name.npz', bytes)];
    expect((await service.call('beginUpload', { direct: false, files: renamed })).missing).toEqual([]);
  });

  it('removes what abandoned uploads left, on disk and in the bucket', async () => {
    const bytes = npzOf(5);
    const store = openS3Store(minio.options);
    const spool = new UploadSpool(join(root, 'spool'), DirectUploads.of(store));
    const there = async function* () {
      yield bytes;
    };
    const { id } = await spool.begin([announced('a.npz', bytes)]);
    await spool.write(id, 'a.npz', 0, there());
    const { missing } = await spool.begin([announced('b.npz', npzOf(6))], { direct: true });
    await put(missing[0]!.putUrl!, npzOf(6));
    await spool.removeOlderThan(60_000);
    expect(await inBucket()).toHaveLength(1);
    await expect(spool.complete(id)).resolves.toMatchObject({ files: [{ path: 'a.npz' }] });

    await new Promise((resolve) => setTimeout(resolve, 1100));
    await spool.removeOlderThan(1);
    expect(await inBucket()).toEqual([]);
    const fresh = new UploadSpool(join(root, 'spool'));
    expect((await fresh.begin([announced('c.npz', bytes)])).missing).toHaveLength(1);
  });
});

function announced(path: string, bytes: Buffer) {
  const { sizeBytes, sha256 } = announce(path, bytes);
  return { path, bytes: Number(sizeBytes), sha256 };
}
