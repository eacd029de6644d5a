import { mkdtemp, readFile, rm } from 'node:fs/promises';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Metadata, status } from '@grpc/grpc-js';
import { EncodeRequest, EncoderServiceClient } from '@medformer/gen/encoder';
import { Rng } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServiceProcess, startServiceProcess } from '../spec/service-process.js';
import { connect, encodeRequest } from '../spec/test-service.js';

const PATH = '/medformer.encoder.v1.EncoderService/Encode';
const MAX_MESSAGE_BYTES = 100_000;
const MESSAGES = 10_000;
const CONNECTIONS = 600;

let data: string;
let service: ServiceProcess;
let exited: number | string | undefined;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'medformer-malformed-'));
  service = await startServiceProcess(data, '--max-message-bytes', String(MAX_MESSAGE_BYTES));
  service.ended.then((code) => {
    exited = code;
  });
});
afterAll(async () => {
  service.child.kill('SIGKILL');
  await rm(data, { recursive: true });
});

/** Resident memory of the service, MiB. */
const resident = async () => {
  const text = await readFile(`/proc/${service.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)![1]) / 1024;
};

const isWell = async () => {
  const client = connect(EncoderServiceClient, service.port);
  const code = await new Promise<number>((resolve) =>
    client.encode(
      { ...encodeRequest, modality: '1' },
      new Metadata(),
      { deadline: Date.now() + 20_000 },
      (error) => resolve(error?.code ?? status.OK),
    ),
  );
  client.close();
  const ready = await fetch(`http://127.0.0.1:${service.metricsPort}/readyz`);
  return [exited, code, ready.status];
};
const WELL = [undefined, status.OK, 200];

const frame = (message: Uint8Array, { compressed = 0, length = message.length } = {}) => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(compressed, 0);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
};
const noise = (random: Rng, length: number) => Buffer.from(Array.from({ length }, () => random.integer(256)));
const good = Buffer.from(EncodeRequest.encode({ ...encodeRequest, modality: '1' }).finish());
const bomb = gzipSync(Buffer.alloc(50 * MAX_MESSAGE_BYTES));

interface Attack {
  headers?: OutgoingHttpHeaders;
  body: (random: Rng) => Buffer;
  /** Leaves the stream open behind the body. */
  open?: boolean;
  /** What may come of it: gRPC status codes, or `http NUMBER`. */
  ends: (number | string)[];
}

/** By what is wrong with them. Bytes at random are a message now and then. */
const ATTACKS: Record<string, Attack> = {
  'bytes that are no message': {
    body: (random) => frame(noise(random, 1 + random.integer(200))),
    ends: [status.INTERNAL, status.OK],
  },
  'a message with changed bits': {
    body: (random) => {
      const bytes = Buffer.from(good);
      bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8);
      return frame(bytes);
    },
    ends: [status.INTERNAL, status.OK],
  },
  'a message that ends early': {
    body: (random) => frame(good, { length: good.length + 1 + random.integer(1000) }),
    ends: [status.UNIMPLEMENTED],
  },
  'a prefix that ends early': {
    body: (random) => frame(good).subarray(0, random.integer(5)),
    ends: [status.UNIMPLEMENTED],
  },
  'no message': { body: () => Buffer.alloc(0), ends: [status.UNIMPLEMENTED] },
  'two messages where one is due': {
    body: () => Buffer.concat([frame(good), frame(good)]),
    ends: [status.UNIMPLEMENTED, status.OK],
  },
  'a length above the limit': {
    body: (random) => frame(noise(random, 10), { length: MAX_MESSAGE_BYTES + 1 + random.integer(1e6) }),
    open: true,
    ends: [status.RESOURCE_EXHAUSTED],
  },
  'the largest length there is': {
    body: () => frame(Buffer.alloc(0), { length: 0xffff_ffff }),
    open: true,
    ends: [status.RESOURCE_EXHAUSTED],
  },
  'a message that inflates above the limit': {
    headers: { 'grpc-encoding': 'gzip' },
    body: () => frame(bomb, { compressed: 1 }),
    ends: [status.RESOURCE_EXHAUSTED],
  },
  'noise that claims to be compressed': {
    headers: { 'grpc-encoding': 'gzip' },
    body: (random) => frame(noise(random, 50), { compressed: 1 }),
    ends: [status.INTERNAL],
  },
  'a compression nobody knows': {
    headers: { 'grpc-encoding': 'zip9' },
    body: () => frame(good, { compressed: 1 }),
    ends: [status.UNIMPLEMENTED],
  },
  'a flag of compression that is neither 0 nor 1': {
    body: (random) => frame(good, { compressed: 2 + random.integer(254) }),
    ends: [status.OK, status.INTERNAL],
  },
  'a method nobody has': {
    headers: { ':path': '/medformer.encoder.v1.EncoderService/../../etc/passwd' },
    body: () => frame(good),
    ends: [status.UNIMPLEMENTED],
  },
  'another content type': {
    headers: { 'content-type': 'application/json' },
    body: () => frame(good),
    ends: ['http 415'],
  },
  'a timeout that is none': {
    headers: { 'grpc-timeout': 'soon' },
    body: () => frame(good),
    ends: [status.INTERNAL],
  },
  'metadata that is not base64': {
    headers: { 'x-noise-bin': '!!!', traceparent: '00-zz' },
    body: () => frame(good),
    ends: [status.OK],
  },
};

/** Sends one and says how it ended. */
const attack = (session: ClientHttp2Session, { headers, body, open }: Attack, random: Rng) =>
  new Promise<number | string>((resolve) => {
    const stream: ClientHttp2Stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    let code: number | string | undefined;
    const take = (fields: Record<string, unknown>) => {
      if (fields[':status'] !== undefined && fields[':status'] !== 200) code = `http ${fields[':status']}`;
      if (fields['grpc-status'] !== undefined) code = Number(fields['grpc-status']);
      if (open && code !== undefined) stream.close(constants.NGHTTP2_CANCEL);
    };
    stream
      .on('response', take)
      .on('trailers', take)
      .on('error', () => undefined)
      .resume();
    stream.on('close', () => resolve(code ?? `reset ${stream.rstCode}`));
    if (open) stream.write(body(random));
    else stream.end(body(random));
  });

const openSession = () => {
  const session = connectHttp2(`http://127.0.0.1:${service.port}`);
  session.on('error', () => undefined);
  return session;
};

/** Sends so many, some at a time, each kind in turn; tells what came of each kind. */
const sendMalformed = async (count: number, seed: string) => {
  const outcomes = new Map<string, Set<number | string>>();
  const kinds = Object.entries(ATTACKS);
  let next = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const session = openSession();
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          while (next < count) {
            const index = next;
            next += 1;
            const [what, how] = kinds[index % kinds.length]!;
            const outcome = await attack(session, how, Rng.of(seed, index));
            if (!outcomes.has(what)) outcomes.set(what, new Set());
            outcomes.get(what)!.add(outcome);
          }
        }),
      );
      session.close();
    }),
  );
  return outcomes;
};

describe('a service that is sent what no client sends', () => {
  it(`answers ${MESSAGES} malformed messages with the right status, and holds none of them`, async () => {
    await sendMalformed(2000, 'warm up');
    const before = await resident();
    const outcomes = await sendMalformed(MESSAGES, 'malformed');
    const unexpected = Object.entries(ATTACKS).flatMap(([what, { ends }]) =>
      [...outcomes.get(what)!].filter((end) => !ends.includes(end)).map((end) => `${what}: ${end}`),
    );
    expect(unexpected).toEqual([]);
    expect(await isWell()).toEqual(WELL);
    expect((await resident()) - before).toBeLessThan(100);
  });

  it('says which limit a message passed', async () => {
    const client = connect(EncoderServiceClient, service.port);
    const content = Buffer.alloc(MAX_MESSAGE_BYTES);
    const error = await new Promise<Error | null>((resolve) =>
      client.encode({ ...encodeRequest, image: { $case: 'file', value: { name: 'x', content } } }, resolve),
    );
    expect(error?.message).toMatch(
      new RegExp(`Received message larger than max \\(\\d+ vs ${MAX_MESSAGE_BYTES}\\)`),
    );
    client.close();
  });

  it(`outlives ${CONNECTIONS} connections of broken HTTP/2`, async () => {
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const header = (length: number, type: number, flags: number, stream: number) => {
      const bytes = Buffer.alloc(9);
      bytes.writeUIntBE(length, 0, 3);
      bytes.writeUInt8(type, 3);
      bytes.writeUInt8(flags, 4);
      bytes.writeUInt32BE(stream, 5);
      return bytes;
    };
    const settings = header(0, 4, 0, 0);
    const kinds: ((random: Rng) => Buffer)[] = [
      (random) => noise(random, 1 + random.integer(500)),
      (random) => Buffer.concat([preface, noise(random, 500)]),
      (random) => preface.subarray(0, random.integer(preface.length)),
      () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      () => Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
      // Frames with a random kind, random flags and a random length.
      (random) =>
        Buffer.concat([
          preface,
          settings,
          ...Array.from({ length: 20 }, () => {
            const payload = noise(random, random.integer(64));
            const length = random.chance(0.5) ? payload.length : random.integer(0xff_ffff);
            return Buffer.concat([
              header(length, random.integer(256), random.integer(256), random.integer(8)),
              payload,
            ]);
          }),
        ]),
      // Header blocks that are no HPACK; DATA for stream 0; CONTINUATION of nothing; a window that overflows.
      (random) => Buffer.concat([preface, settings, header(40, 1, 5, 1), noise(random, 40)]),
      () => Buffer.concat([preface, settings, header(4, 0, 0, 0), Buffer.from('data')]),
      () => Buffer.concat([preface, settings, header(4, 9, 4, 1), Buffer.from('none')]),
      () => Buffer.concat([preface, settings, header(4, 8, 0, 0), Buffer.from([0x7f, 255, 255, 255])]),
      // Floods of pings, of settings, of resets.
      () =>
        Buffer.concat([
          preface,
          settings,
          ...Array(500).fill(Buffer.concat([header(8, 6, 0, 0), Buffer.alloc(8)])),
        ]),
      () => Buffer.concat([preface, ...Array(500).fill(settings)]),
      () =>
        Buffer.concat([
          preface,
          settings,
          ...Array.from({ length: 500 }, (_, index) =>
            Buffer.concat([header(4, 3, 0, 2 * index + 1), Buffer.from([0, 0, 0, 8])]),
          ),
        ]),
    ];
    const before = await resident();
    let next = 0;
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        while (next < CONNECTIONS) {
          const index = next;
          next += 1;
          await new Promise<void>((resolve) => {
            const socket = connectTcp(service.port, '127.0.0.1');
            socket.on('error', () => undefined).on('close', () => resolve());
            // Half of them leave at once, half wait for what the service does.
            const wait = index % 2 === 0 ? 0 : 50;
            socket.on('connect', () => {
              socket.write(kinds[index % kinds.length]!(Rng.of('http2', index)));
              setTimeout(() => socket.destroy(), wait);
            });
            socket.resume();
          });
        }
      }),
    );
    expect(await isWell()).toEqual(WELL);
    expect((await resident()) - before).toBeLessThan(100);
  });

  it('drains in good order after all that', async () => {
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
  });
});
