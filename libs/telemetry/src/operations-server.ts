import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MedformerError, toMedformerError } from '@medformer/schema';
import { metrics } from './metrics.js';

export interface OperationsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * The HTTP side of a service, for machines that watch it: `/metrics` (Prometheus text), `/healthz` (200 while the event
 * loop turns), `/readyz` (200 once `ready` resolves, 503 with the reason while it rejects).
 * @throws MedformerError UNAVAILABLE when the port is taken.
 */
export async function startOperationsServer(options: {
  host: string;
  /** 0 takes a free port. */
  port: number;
  ready: () => Promise<void>;
}): Promise<OperationsServer> {
  const answers: Record<string, () => Promise<{ status: number; type: string; body: string }>> = {
    '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await metrics.metrics() }),
    '/healthz': async () => ({ status: 200, type: 'text/plain', body: 'ok\n' }),
    '/readyz': async () => {
      try {
        await options.ready();
        return { status: 200, type: 'text/plain', body: 'ready\n' };
      } catch (error) {
        return { status: 503, type: 'text/plain', body: `not ready: ${toMedformerError(error).message}\n` };
      }
    },
  };
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').split('?')[0]!;
    const answer = Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (!answer) return void response.writeHead(404).end('not found\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end();
    try {
      const { status, type, body } = await answer();
      response.writeHead(status, { 'content-type': type }).end(body);
    } catch {
      response.writeHead(500).end('internal error\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new MedformerError('UNAVAILABLE', `cannot listen on ${options.host}:${options.port}`, { cause }),
      );
    });
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
