import { join } from 'node:path';
import { cpuOf, watchOthers } from '../others.mjs';
import { digits } from '../print.mjs';
import { goProgram, ours, peer, RESULTS, ROOT, Side } from '../side.mjs';
import { median } from '../statistics.mjs';

const THREADS = 2;
const MAX_BATCH = 32;
const CALLERS = [1, 16, 64, 256];
const PEERS = ['ONNX Runtime', 'PyTorch'];
/** Of every kind of load, the sides in turn. */
const ROUNDS = 3;
const LEAST_OF_BARE = 0.9;
const LEAST_OF_PEER = 2;
const LEAST_GAIN = 3;
const MOST_P99 = 2;
const OVERLOAD = 3;
const LEAST_GOODPUT = 0.9;

/** The encoder over its port, beside the model without a server and beside a Python server of the same model. */
export const cases = [
  serveCase('serve-28', { model: 'nano', patch: 4, shape: [28, 28, 1] }),
  serveCase('serve-28-tiny', { model: 'tiny', patch: 4, shape: [28, 28, 1] }),
  serveCase('serve-224', { model: 'tiny', patch: 16, shape: [224, 224, 1] }),
  serveCase('serve-64-3d', { model: 'tiny', patch: 8, shape: [64, 64, 64, 1] }),
];

function serveCase(name, settings) {
  const { model, patch, shape } = settings;
  return {
    name,
    title: `Embeddings of ${shape.slice(0, -1).join(' × ')} over gRPC, ${model}, patch ${patch}, batches of at most ${MAX_BATCH}, ${THREADS} threads, load generator on the same machine`,
    run: (bench) => run(bench, name, settings),
  };
}

async function run({ pace, say }, name, settings) {
  const seconds = pace.seconds * 2;
  const sides = [];
  const start = async (label, program) => {
    say(`${label}: warming up`);
    const side = await Side.start(label, program);
    sides.push(side);
    return side;
  };
  try {
    const given = { ...settings, threads: THREADS, maxBatch: MAX_BATCH };
    const bare = await start('bare model', ours('serve-bare.mjs', { ...given, folder: join(RESULTS, name) }));
    const served = { ...given, ...bare.facts, descriptors: join(ROOT, 'libs/gen/descriptor.binpb') };
    const python = (engine) => peer('serve_encoder.py', { ...served, engine });
    const servers = {
      medformer: await start('medformer', ours('serve-encoder.mjs', served)),
      'batches of 1': await start('batches of 1', ours('serve-encoder.mjs', { ...served, maxBatch: 1 })),
      'ONNX Runtime': await start('Python, ONNX Runtime', python('onnx')),
      PyTorch: await start('Python, PyTorch', python('torch')),
    };
    const load = await start('load', goProgram('load', { request: bare.facts.request }));
    const others = watchOthers([process.pid, ...sides.map(({ pid }) => pid)]);
    const found = await measure({ bare, servers, load, seconds, say });
    const { reference, ...facts } = bare.facts;
    return { ...report(found), facts, others: others() };
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

/** Every side in turn, so that all meet the same moods of the machine. */
async function measure({ bare, servers, load, seconds, say }) {
  const loops = new Map([1, 16, MAX_BATCH].map((batch) => [batch, []]));
  const closed = new Map();
  const add = async (server, callers) => {
    const key = `${server} ${callers}`;
    const { pid, facts } = servers[server];
    const [before, loadBefore] = [cpuOf(pid), cpuOf(load.pid)];
    const answer = await load.ask('closed', { port: facts.port, callers, seconds });
    const [after, loadAfter] = [cpuOf(pid), cpuOf(load.pid)];
    const images = Object.values(answer.outcomes).reduce((sum, count) => sum + count, 0);
    const cpu = {
      server: (after.own - before.own) / images,
      below: (after.below - before.below) / images,
      load: (loadAfter.own - loadBefore.own) / images,
    };
    closed.set(key, [...(closed.get(key) ?? []), { ...answer, cpu }]);
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const callers of CALLERS) {
      say(`round ${round + 1}/${ROUNDS}, ${callers} callers`);
      for (const [batch, times] of loops)
        times.push(median(await bare.ask('loop', { batch, seconds: seconds / 6 })));
      await add('medformer', callers);
      for (const peer of PEERS) await add(peer, callers);
      if (callers === 64) await add('batches of 1', callers);
    }
  }
  const peak = Math.max(...CALLERS.map((callers) => best(closed.get(`medformer ${callers}`)).perSecond));
  say(`${OVERLOAD} times as much as it can do`);
  const { port } = servers.medformer.facts;
  const overload = await load.ask('open', { port, perSecond: OVERLOAD * peak, seconds: 2 * seconds });
  return { loops, closed, peak, overload };
}

/** The round with the least disturbance. */
const best = (rounds) => rounds.reduce((x, y) => (x.perSecond >= y.perSecond ? x : y));

function report({ loops, closed, peak, overload }) {
  const of = (server, callers) => best(closed.get(`${server} ${callers}`));
  const bare = new Map([...loops].map(([batch, times]) => [batch, (1000 * batch) / Math.min(...times)]));
  const limit = bare.get(MAX_BATCH);
  const batchMs = Math.min(...loops.get(MAX_BATCH));
  const many = CALLERS.filter((callers) => callers >= 16);
  const answered = Object.values(overload.outcomes).reduce((sum, count) => sum + count, 0);
  const line = (what, { perSecond, p50, p95, p99, cpu }) => [
    what,
    digits(perSecond),
    ...[p50, p95, p99].map(digits),
    ...[cpu?.below, cpu?.server, cpu?.load].map((ms) => (ms === undefined ? '' : ms.toFixed(2))),
  ];
  return {
    head: ['', 'images/s', 'p50 ms', 'p95 ms', 'p99 ms', 'model', 'server', 'load'],
    lines: [
      ...[...bare].map(([batch, rate]) => [
        `bare model, batches of ${batch}`,
        digits(rate),
        ...Array(6).fill(''),
      ]),
      ...['medformer', ...PEERS].flatMap((server) =>
        CALLERS.map((callers) => line(`${server}, ${callers} callers`, of(server, callers))),
      ),
      line('medformer, batches of 1, 64 callers', of('batches of 1', 64)),
      line(`medformer, ${OVERLOAD} times its peak`, overload),
    ],
    rows: [...closed].map(([what, rounds]) => ({ what, rounds })),
    overload,
    promises: [
      {
        what: 'of the bare model, 16 callers and more, least',
        found: Math.min(...many.map((callers) => of('medformer', callers).perSecond / limit)),
        least: LEAST_OF_BARE,
        percent: true,
      },
      ...PEERS.map((peer) => ({
        what: `throughput against the Python server with ${peer}, 16 callers and more, least`,
        found: Math.min(
          ...many.map((callers) => of('medformer', callers).perSecond / of(peer, callers).perSecond),
        ),
        least: LEAST_OF_PEER,
      })),
      {
        what: 'throughput by batching, 64 callers',
        found: of('medformer', 64).perSecond / of('batches of 1', 64).perSecond,
        least: LEAST_GAIN,
      },
      {
        what: 'p99 of 16 callers against the time of a full batch',
        found: of('medformer', 16).p99 / batchMs,
        most: MOST_P99,
      },
      {
        what: 'goodput under overload against the peak',
        found: overload.perSecond / peak,
        least: LEAST_GOODPUT,
        percent: true,
      },
      {
        what: 'calls of the overload that were answered',
        found: answered / overload.sent,
        least: 1,
        percent: true,
      },
    ],
    notes: [
      `${OVERLOAD} times the peak: ${overload.sent} calls, ${JSON.stringify(overload.outcomes)}`,
      'of each kind of load the best of three rounds, the sides in turn; the load generator takes its share of the same cores',
      'model, server, load: CPU time of their processes, ms an image; the Python server and its model are one process',
    ],
  };
}
