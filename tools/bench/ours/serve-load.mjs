/** Asks an encoder for embeddings over real connections: closed loops of callers, or calls at a rate whatever the answers. */
import { createRequire } from 'node:module';
import { EncodeRequest, EncoderServiceClient } from '../../../libs/gen/dist/medformer/encoder/v1/encoder.js';
import { givenCase, serve } from '../serve.mjs';
import { quantile } from '../statistics.mjs';

const { credentials, Metadata, status } = createRequire(
  new URL('../../../services/encoder/package.json', import.meta.url),
)('@grpc/grpc-js');

const CONNECTIONS = 4;
const DEADLINE_MS = 60_000;

const { shape } = givenCase();
const data = Buffer.from(Array.from({ length: shape.reduce((x, y) => x * y, 1) }, (_, at) => (at * 7) % 256));
const request = EncodeRequest.create({
  image: { $case: 'tensor', value: { dataType: 1, shape, data } },
  modality: 'ct',
  bodyPart: 'head',
});

/** `callers` that each ask for the next embedding when they have one. */
async function closed({ port, callers, seconds }) {
  const clients = connect(port);
  const load = new Load();
  const warm = performance.now() + 300;
  const end = warm + seconds * 1000;
  await Promise.all(
    Array.from({ length: callers }, async (_, at) => {
      while (performance.now() < end) await load.ask(clients[at % CONNECTIONS], warm, end);
    }),
  );
  for (const client of clients) client.close();
  return load.report(seconds);
}

/** So many calls a second, however many are under way; goodput counts until the last of them is answered. */
async function open({ port, perSecond, seconds }) {
  const clients = connect(port);
  const load = new Load();
  const began = performance.now();
  const calls = [];
  while (performance.now() < began + seconds * 1000) {
    const due = ((performance.now() - began) / 1000) * perSecond;
    while (calls.length < due)
      calls.push(load.ask(clients[calls.length % CONNECTIONS], began, Number.POSITIVE_INFINITY));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(calls);
  for (const client of clients) client.close();
  return { sent: calls.length, ...load.report((performance.now() - began) / 1000) };
}

class Load {
  times = [];
  batches = [];
  outcomes = {};

  /** Counts what ends between `from` and `to`. */
  async ask(client, from, to) {
    const began = performance.now();
    const outcome = await new Promise((resolve) =>
      client.encode(request, new Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error, answer) => {
        // The Python server says nothing of its batches.
        if (answer?.timing) this.batches.push(answer.timing.batchImages);
        resolve(error ? status[error.code] : 'OK');
      }),
    );
    const ended = performance.now();
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
    if (outcome === 'OK' && ended >= from && ended <= to) this.times.push(ended - began);
  }

  report(seconds) {
    const { times, outcomes } = this;
    const [p50, p95, p99] = times.length > 0 ? [0.5, 0.95, 0.99].map((share) => quantile(times, share)) : [];
    /** Mean size of batch, as an image sees it. */
    const batch = this.batches.reduce((sum, images) => sum + images, 0) / this.batches.length;
    return { perSecond: times.length / seconds, p50, p95, p99, batch, outcomes };
  }
}

function connect(port) {
  return Array.from(
    { length: CONNECTIONS },
    () =>
      new EncoderServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_http_proxy': 0,
      }),
  );
}

await serve(() => {}, {}, { closed, open });
