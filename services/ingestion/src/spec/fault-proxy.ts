import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What goes wrong with one request: `drop` before the server sees it, `lose-answer` after it did; `trickle` takes and gives
 * its bytes in small pieces with pauses.
 */
export const FAULTS = [
  'drop',
  'lose-answer',
  'truncate',
  'error-500',
  'error-503',
  'delay',
  'trickle',
] as const;
export type Fault = (typeof FAULTS)[number];

/** At most so many pieces of a body trickle, so that a large one does not take for ever. */
const PIECES = 40;
const PAUSE_MS = 10;

export interface FaultProxy {
  url: string;
  /** Method and path of each request so far. */
  requests: string[];
  /** Asked at each request, by its index; also the place to kill what sends them. */
  before: (index: number) => Fault | undefined;
  after: (index: number) => void;
  stop(): Promise<void>;
}

/** HTTP between a client and `target`, faithful but for the faults asked for. The Host header stays, for it is signed. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const server = createServer((incoming, outgoing) => void forward(incoming, outgoing));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    before: () => undefined,
    after: () => undefined,
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };

  async function forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = incoming;
    const index = proxy.requests.push(`${method} ${url}`) - 1;
    const fault = proxy.before(index);
    // The socket: a request that has come in whole is not aborted by destroying it.
    const hangUp = () => void incoming.socket.destroy();
    if (fault === 'drop') return hangUp();
    if (fault === 'error-500' || fault === 'error-503') {
      incoming.resume();
      const code = fault === 'error-500' ? 'InternalError' : 'SlowDown';
      outgoing.writeHead(fault === 'error-500' ? 500 : 503, { 'content-type': 'application/xml' });
      return void outgoing.end(method === 'HEAD' ? '' : `<Error><Code>${code}</Code></Error>`);
    }
    if (fault === 'delay') await sleep(300);
    const onward = request(`${target}${url}`, { method, headers, setHost: false });
    onward.on('error', hangUp);
    incoming.on('error', () => onward.destroy());
    onward.on('response', async (answer) => {
      const body = await bodyOf(answer);
      proxy.after(index);
      if (fault === 'lose-answer') return hangUp();
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      if (fault === 'trickle') return trickle(body, outgoing);
      if (fault !== 'truncate') return void outgoing.end(body);
      outgoing.flushHeaders();
      outgoing.write(body.subarray(0, body.length >> 1));
      setTimeout(hangUp, 10);
    });
    if (fault === 'trickle') await trickle(await bodyOf(incoming), onward);
    else incoming.pipe(onward);
  }
  return proxy;
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function trickle(body: Buffer, to: Writable): Promise<void> {
  const length = Math.max(1, Math.ceil(body.length / PIECES));
  for (let begin = 0; begin < body.length; begin += length) {
    to.write(body.subarray(begin, begin + length));
    await sleep(PAUSE_MS);
  }
  to.end();
}
