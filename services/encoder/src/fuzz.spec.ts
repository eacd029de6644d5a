import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { credentials, status } from '@grpc/grpc-js';
import { DataType } from '@medformer/gen/common';
import { EncodeRequest, type EncodeResponse, EncoderServiceClient } from '@medformer/gen/encoder';
import { ModelInferRequest } from '@medformer/gen/inference';
import { encodePng } from '@medformer/imaging';
import { Rng } from '@medformer/schema';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EncoderProcess } from '../spec/encoder-process.js';
import { answerOf, EncoderUnderTest, pixels, tensor } from '../spec/encoder-service.js';

const MESSAGES = 10_000;
const SESSIONS = 4;
/** Streams of one connection that are under way. */
const PIPELINED = 16;
/** What a heap may breathe, MiB. */
const BREATH = 120;
const ENCODE = '/medformer.encoder.v1.EncoderService/Encode';
const STREAM = '/medformer.encoder.v1.EncoderService/EncodeStream';
const INFER = '/inference.GRPCInferenceService/ModelInfer';

let under: EncoderUnderTest;
let encoder: EncoderProcess;
let client: EncoderServiceClient;
let png: Buffer;
beforeAll(async () => {
  under = await EncoderUnderTest.create();
  const { checkpoint, model } = await under.untrained(1);
  model.dispose();
  encoder = await EncoderProcess.start(under.storeUrl, {
    'encoder-checkpoint': checkpoint,
    'encoder-threads': '1',
    'encoder-max-batch': '8',
    'encoder-warm-up': '8x8x1',
    'max-message-bytes': '200000',
  });
  client = new EncoderServiceClient(`127.0.0.1:${encoder.port}`, credentials.createInsecure());
  png = Buffer.from(await encodePng({ shape: [8, 8, 1], pixels: new Uint8Array(64).fill(7) }));
});
afterAll(async () => {
  client?.close();
  await encoder?.stop();
  await under.close();
});

const bytesOf = (random: Rng, length: number) =>
  Buffer.from(Array.from({ length }, () => random.integer(256)));
const oneOf = <T>(random: Rng, values: readonly T[]) => values[random.integer(values.length)]!;

const encodeBytes = (image: EncodeRequest['image'], more: Partial<EncodeRequest> = {}) =>
  Buffer.from(EncodeRequest.encode(EncodeRequest.create({ image, ...more })).finish());

function inferBytes(
  shape: readonly bigint[],
  { datatype = 'UINT8', name = 'image', raw = [Buffer.alloc(64)] as Buffer[], more = {} } = {},
): Buffer {
  const inputs = [{ name, datatype, shape: [...shape], parameters: {}, contents: undefined }];
  const request = { modelName: 'medformer', inputs, rawInputContents: raw, ...more };
  return Buffer.from(ModelInferRequest.encode(ModelInferRequest.fromPartial(request)).finish());
}

const GOOD: Record<string, () => Buffer> = {
  [ENCODE]: () => encodeBytes(pixels([8, 8, 1])),
  [INFER]: () => inferBytes([1n, 8n, 8n, 1n]),
};
const EDGES = [0, 1, 3, 7, 8, 255, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const LONG_EDGES = [0n, -1n, 1n, 8n, 1n << 20n, 1n << 31n, 1n << 62n, -(1n << 63n), (1n << 63n) - 1n];
const NAMES = [
  'x.png',
  'x.dcm',
  'x.nii',
  'x.nii.gz',
  'x.npz',
  'x',
  '../../etc/passwd',
  '\u0000',
  'a'.repeat(5000),
];

/** What is sent, by what is wrong with it. Some is right by chance. */
const DAMAGES: Record<string, (random: Rng, path: string) => Buffer> = {
  'bytes at random': (random) => bytesOf(random, random.integer(300)),
  'changed bits': (random, path) => {
    const bytes = GOOD[path]!();
    for (let flips = 1 + random.integer(8); flips > 0; flips -= 1)
      bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8);
    return bytes;
  },
  'an early end': (random, path) => {
    const bytes = GOOD[path]!();
    return bytes.subarray(0, random.integer(bytes.length));
  },
  'parts in another order': (random, path) => {
    const bytes = GOOD[path]!();
    const [from, to] = [random.integer(bytes.length), random.integer(bytes.length)];
    return Buffer.concat([bytes.subarray(from), bytes.subarray(to), bytes.subarray(0, from)]);
  },
  'a huge number or length': (random, path) => {
    const huge = Buffer.from([...Array(9).fill(0xff), oneOf(random, [0x01, 0x7f])]);
    const tag = Buffer.from([(1 + random.integer(15)) * 8 + oneOf(random, [0, 1, 2, 3, 5])]);
    return random.chance(0.5)
      ? Buffer.concat([tag, huge, GOOD[path]!()])
      : Buffer.concat([GOOD[path]!(), tag, huge]);
  },
  'a hostile shape': (random, path) => {
    if (path === INFER)
      return inferBytes(Array.from({ length: random.integer(7) }, () => oneOf(random, LONG_EDGES)));
    const shape = Array.from({ length: random.integer(6) }, () => oneOf(random, EDGES));
    return encodeBytes(tensor(shape, oneOf(random, [0, 1, 2, 3, 99]) as DataType, bytesOf(random, 64)));
  },
  'a thousand dimensions': (_, path) =>
    path === INFER
      ? inferBytes(Array.from({ length: 1000 }, () => 1n))
      : encodeBytes(tensor(Array(1000).fill(1), DataType.DATA_TYPE_UINT8, Buffer.alloc(1))),
  'values that are no numbers': (random, path) => {
    const values = Float32Array.from({ length: 64 }, () =>
      oneOf(random, [Number.NaN, Number.POSITIVE_INFINITY, -3e38, 0.5]),
    );
    const data = Buffer.from(values.buffer);
    return path === INFER
      ? inferBytes([1n, 8n, 8n, 1n], { datatype: 'FP32', raw: [data] })
      : encodeBytes(tensor([8, 8, 1], DataType.DATA_TYPE_FLOAT32, data));
  },
  'another model, code or level': (random, path) => {
    const word = oneOf(random, NAMES);
    return path === INFER
      ? inferBytes([1n, 8n, 8n, 1n], { more: { modelName: word, modelVersion: word } })
      : encodeBytes(pixels([8, 8, 1]), { model: word, modality: word, priority: random.integer(9) });
  },
  'contents that do not fit': (random, path) => {
    if (path === ENCODE)
      return encodeBytes(tensor([8, 8, 1], DataType.DATA_TYPE_UINT16, bytesOf(random, random.integer(200))));
    const raw = Array.from({ length: random.integer(4) }, () => bytesOf(random, random.integer(200)));
    return inferBytes([1n, 8n, 8n, 1n], { raw, datatype: oneOf(random, ['UINT8', 'INT64', 'BYTES', '']) });
  },
  'a file that is none': (random, path) => {
    const content = random.chance(0.5) ? bytesOf(random, random.integer(200)) : Buffer.from(png);
    if (content.length > 0) content[random.integer(content.length)]! ^= 1 << random.integer(8);
    if (path === ENCODE)
      return encodeBytes({ $case: 'file', value: { name: oneOf(random, NAMES), content } });
    const length = Buffer.alloc(4);
    length.writeUInt32LE(oneOf(random, [content.length, 0, 2 ** 32 - 1]));
    return inferBytes([1n], { name: 'file', datatype: 'BYTES', raw: [Buffer.concat([length, content])] });
  },
};
const ANSWERS = new Set<unknown>([
  status.OK,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.RESOURCE_EXHAUSTED,
]);

it(`answers ${MESSAGES} damaged requests of both protocols, each as it deserves, and computes the same bits after them`, async () => {
  const image = pixels([8, 8, 1]);
  const before = await embedding(image);
  await send(1500, 'warm up');
  const held = resident();
  const { unexpected, codes } = await send(MESSAGES, 'fuzz');

  expect(unexpected).toEqual([]);
  // The damage reached the code behind the codec, and what was right by chance was computed.
  for (const code of [status.OK, status.INVALID_ARGUMENT, status.NOT_FOUND])
    expect(codes.get(code)).toBeGreaterThan(100);
  expect(await embedding(image)).toEqual(before);
  expect(await encoder.isReady()).toBe(true);
  expect(resident() - held).toBeLessThan(BREATH);
  // No process was lost to it.
  expect(
    await encoder.metric('medformer_compute_losses_total\\{process="encoding",cause="crashed"\\}'),
  ).toBeFalsy();
}, 600_000);

it('ends streams whose messages are damaged, and keeps the others', async () => {
  const session = openSession();
  const ends = await Promise.all(
    Array.from({ length: 100 }, (_, at) => {
      const random = Rng.of('streams', at);
      const messages = Array.from({ length: 4 }, () => frame(bytesOf(random, random.integer(100))));
      return call(session, STREAM, Buffer.concat(messages));
    }),
  );
  session.close();
  // Each message is refused by the codec, or answered as an image that is refused.
  expect(ends.filter((code) => code !== status.OK && code !== status.INTERNAL)).toEqual([]);
  expect(await embedding(pixels([8, 8, 1]))).toHaveLength(24);
});

async function embedding(image: EncodeRequest['image']): Promise<number[]> {
  const request = EncodeRequest.create({ image });
  return (await answerOf<EncodeResponse>((answer) => client.encode(request, answer))).embedding;
}

/** Sends so many, each damage and protocol in turn, many at a time. */
async function send(count: number, seed: string) {
  const kinds = Object.entries(DAMAGES);
  const codes = new Map<unknown, number>();
  const unexpected: string[] = [];
  let next = 0;
  const one = async (session: ClientHttp2Session) => {
    while (next < count) {
      const index = next;
      next += 1;
      const [what, damaged] = kinds[index % kinds.length]!;
      const path = Math.floor(index / kinds.length) % 2 === 0 ? ENCODE : INFER;
      const message = damaged(Rng.of(seed, index), path);
      const code = await call(session, path, frame(message));
      codes.set(code, (codes.get(code) ?? 0) + 1);
      // gRPC's word for bytes that are no message of the type; for nothing else.
      const right = isMessage(path, message) ? ANSWERS.has(code) : code === status.INTERNAL;
      if (!right && unexpected.length < 20) unexpected.push(`${path} ${what} ${index}: ${code}`);
    }
  };
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      const session = openSession();
      await Promise.all(Array.from({ length: PIPELINED }, () => one(session)));
      session.close();
    }),
  );
  return { unexpected, codes };
}

function isMessage(path: string, message: Buffer): boolean {
  try {
    (path === ENCODE ? EncodeRequest : ModelInferRequest).decode(message);
    return true;
  } catch {
    return false;
  }
}

function openSession(): ClientHttp2Session {
  return connectHttp2(`http://127.0.0.1:${encoder.port}`).on('error', () => undefined);
}

function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The status code of a call, or what else came of it. */
function call(session: ClientHttp2Session, path: string, body: Buffer): Promise<number | string> {
  return new Promise((resolve) => {
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = session.request(headers);
    let code: number | undefined;
    const take = (fields: Record<string, unknown>) => {
      if (fields['grpc-status'] !== undefined) code = Number(fields['grpc-status']);
    };
    stream
      .on('response', take)
      .on('trailers', take)
      .on('error', () => undefined)
      .resume();
    stream.on('close', () => resolve(code ?? `reset ${stream.rstCode}`));
    stream.end(body);
  });
}

/** Resident memory of the service and its processes, MiB. */
function resident(): number {
  const children =
    readFileSync(`/proc/${encoder.pid}/task/${encoder.pid}/children`, 'utf8').match(/\d+/g) ?? [];
  return [encoder.pid, ...children].reduce<number>((sum, pid) => {
    const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return sum + Number(found?.[1] ?? 0) / 1024;
  }, 0);
}
