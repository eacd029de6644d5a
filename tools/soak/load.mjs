/** Callers of every kind, each in a loop of its own until they are stopped. */
import { connect as connectTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pixelsOf, requestOf, SHAPES } from './encoder.mjs';

const UNARY = 4;
const STREAMS = 2;
const INFERENCES = 2;
const STREAM_IMAGES = 48;
/** What a reader that does not read asks for, and how long it sits. */
const UNREAD_IMAGES = 300;
const IDLE_MS = 5000;
const SEEDS = 8;
const CANCELLED = 1;
/** A machine too busy to start a process in a minute; the model before goes on answering. */
const UNAVAILABLE = 14;
/** What HTTP/2 begins with, and half of the frame behind it. */
const HALF_OPEN = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 18, 4]),
]);

/** Images are made once: the load is not to be measured. */
const requests = SHAPES.flatMap((shape) =>
  Array.from({ length: SEEDS }, (_, seed) => requestOf(shape, seed)),
);
const inferences = SHAPES.map((shape) => ({
  modelName: 'medformer',
  modelVersion: '',
  id: '',
  parameters: {},
  inputs: [
    {
      name: 'image',
      datatype: 'UINT8',
      shape: [2, ...shape].map(BigInt),
      parameters: {},
      contents: undefined,
    },
  ],
  outputs: [],
  rawInputContents: [Buffer.concat([pixelsOf(shape, 0), pixelsOf(shape, 1)])],
}));

export function startLoad({ client, connect, inference, port, checkpoints }, { swapSeconds }) {
  const stopping = new AbortController();
  const { signal } = stopping;
  const counts = new Map();
  const unexpected = [];
  const count = (kind, end) => {
    const ends = counts.get(kind) ?? new Map();
    counts.set(kind, ends.set(end, (ends.get(end) ?? 0) + 1));
  };
  const end = (kind, error, allowed = []) => {
    count(kind, error ? (allowed.includes(error.code) ? `code ${error.code}` : 'failed') : 'ok');
    if (error && !allowed.includes(error.code) && unexpected.length < 20)
      unexpected.push(`${kind}: ${error.code} ${error.details ?? error.message}`);
  };
  const forever = async (work) => {
    for (let turn = 0; !signal.aborted; turn += 1) await work(turn);
  };
  const pause = (ms) => sleep(ms, undefined, { signal }).catch(() => undefined);
  const anyRequest = (turn) => requests[(turn * 7919) % requests.length];

  const unary = (turn) =>
    new Promise((resolve) => {
      client.encode(anyRequest(turn), (error, answer) => {
        end(
          'unary',
          error ?? (answer.embedding.length === 24 ? null : { code: -1, message: 'no embedding' }),
        );
        resolve();
      });
    });

  const inferred = (turn) =>
    new Promise((resolve) => {
      inference.modelInfer(inferences[turn % inferences.length], (error) => {
        end('open inference', error);
        resolve();
      });
    });

  const streamed = async (turn) => {
    const call = client.encodeStream();
    for (let at = 0; at < STREAM_IMAGES; at += 1)
      call.write({ id: `${at}`, request: anyRequest(turn + at), timeoutMs: 0 });
    call.end();
    let answers = 0;
    try {
      for await (const { outcome } of call) {
        if (outcome.$case === 'response') answers += 1;
        else unexpected.push(`stream: an image failed: ${outcome.value.code}`);
      }
      end('stream', answers === STREAM_IMAGES ? null : { code: -1, message: `${answers} answers` });
    } catch (error) {
      end('stream', error);
    }
  };

  const cancelled = async (turn) => {
    await new Promise((resolve) => {
      const call = client.encode(anyRequest(turn), (error) => {
        end('cancelled', error, [CANCELLED]);
        resolve();
      });
      setTimeout(() => call.cancel(), turn % 25);
    });
    await pause(20);
  };

  const slowReader = async (turn) => {
    const own = connect();
    const call = own.encodeStream();
    const ended = new Promise((resolve) => call.on('error', resolve).on('end', () => resolve(null)));
    call.pause();
    for (let at = 0; at < UNREAD_IMAGES; at += 1)
      call.write({ id: `${at}`, request: anyRequest(turn + at), timeoutMs: 0 });
    await pause(IDLE_MS);
    call.cancel();
    call.resume();
    end('slow reader', await ended, [CANCELLED]);
    own.close();
  };

  /** A peer that stops in the middle of a frame, and one that opens a stream and never ends it. */
  const halfOpen = async (turn) => {
    const socket = connectTcp(port, '127.0.0.1').on('error', () => undefined);
    socket.write(HALF_OPEN.subarray(0, 1 + (turn % HALF_OPEN.length)));
    const own = connect();
    const call = own.encodeStream().on('error', () => undefined);
    call.write({ id: '0', request: anyRequest(turn), timeoutMs: 0 });
    await pause(IDLE_MS);
    socket.destroy();
    call.cancel();
    own.close();
    count('half open', 'left');
  };

  const swapped = async (turn) => {
    await pause(swapSeconds * 1000);
    if (signal.aborted) return;
    // One more than stay loaded: each change starts a process and ends one.
    const checkpoint = checkpoints[(turn + 1) % checkpoints.length];
    await new Promise((resolve) => {
      const answer = (error) => {
        end('swap', error, [UNAVAILABLE]);
        resolve();
      };
      if (turn % 4 === 3) client.rollBack({}, answer);
      else client.loadModel({ checkpoint, standby: false, alias: '' }, answer);
    });
  };

  const loops = [
    ...Array.from({ length: UNARY }, () => forever(unary)),
    ...Array.from({ length: INFERENCES }, () => forever(inferred)),
    ...Array.from({ length: STREAMS }, () => forever(streamed)),
    ...[cancelled, slowReader, halfOpen, swapped].map(forever),
  ];
  return {
    /** Resolves when every call under way has ended. */
    async stop() {
      stopping.abort();
      await Promise.all(loops);
      const calls = [...counts].map(([kind, ends]) => [
        kind,
        [...ends].map(([how, number]) => `${number} ${how}`).join(', '),
      ]);
      return { calls: Object.fromEntries(calls), unexpected };
    },
  };
}
