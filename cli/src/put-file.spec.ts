import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { putFile } from './put-file.js';

async function putTo(bucket: RequestListener): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'put-file-'));
  const absolute = join(folder, 'scan');
  await writeFile(absolute, Buffer.alloc(3_000_000, 7));
  const server = createServer(bucket).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await putFile({ absolute, sizeBytes: 3_000_000n }, `http://127.0.0.1:${port}/key`, undefined);
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  }
}

it('sends the whole file with its length', async () => {
  let received = 0;
  const outcome = await putTo(async (request, response) => {
    expect(request.headers['content-length']).toBe('3000000');
    for await (const chunk of request) received += chunk.length;
    response.end();
  });
  expect([outcome, received]).toEqual(['stored', 3_000_000]);
});

it('tells a bucket that refuses from one that hangs up', async () => {
  const refused = await putTo((request, response) => {
    request.resume().on('end', () => response.writeHead(403).end('expired'));
  });
  expect(refused).toBe('refused');
  expect(await putTo((request) => request.destroy())).toBe('unreachable');
});
