import { once } from 'node:events';
import { createServer } from 'node:net';
import { ours, Side } from '../side.mjs';
import { median, summarise } from '../statistics.mjs';

const BATCH = 128;
const STEPS = 6;
const PROCESSES = [1, 2, 4];

/** One step's batch shared by processes of one thread each, on this machine: no more than its cores can be gained. */
export const cases = ['simclr', 'barlow-twins'].map((method) => ({
  name: `parallel-${method === 'simclr' ? 'simclr' : 'barlow'}`,
  title: `${method} step, ${BATCH} images of 28 × 28, nano, shared by processes of one thread each`,
  run: (bench) => run(bench, method),
}));

async function run({ say, pace }, method) {
  const groups = new Map();
  try {
    for (const count of PROCESSES) {
      say(`${count} processes`);
      groups.set(count, await group(count, method));
    }
    const times = new Map(PROCESSES.map((count) => [count, []]));
    for (let round = 0; round < pace.rounds; round += 1) {
      for (const [count, sides] of groups) {
        const each = await Promise.all(sides.map((side) => side.ask('steps', { steps: STEPS })));
        // All end a step together; the first one's times are the group's.
        times.get(count).push(each[0]);
      }
    }
    const { parameters } = groups.get(1)[0].facts;
    const reduced = new Map();
    for (const [count, sides] of groups) {
      if (count === 1) continue;
      const of = async (floats) => {
        const each = await Promise.all(sides.map((side) => side.ask('reduce', { floats, steps: 20 })));
        return median(each[0]);
      };
      reduced.set(count, { one: await of(1), gradient: await of(parameters) });
    }
    const gain = (count) =>
      median(times.get(1).map((alone, round) => median(alone) / median(times.get(count)[round])));
    return {
      head: ['processes', 'ms a step', 'quartiles', 'speed-up', 'all-reduce of 1 float', 'of the gradient'],
      lines: PROCESSES.map((count) => {
        const { median: ms, lower, upper } = summarise(times.get(count).flat());
        const { one, gradient } = reduced.get(count) ?? {};
        return [
          String(count),
          ms.toFixed(1),
          `${lower.toFixed(1)} – ${upper.toFixed(1)}`,
          `${gain(count).toFixed(2)}×`,
          one === undefined ? '' : `${one.toFixed(2)} ms`,
          gradient === undefined ? '' : `${gradient.toFixed(2)} ms`,
        ];
      }),
      times: Object.fromEntries(times),
      reduced: Object.fromEntries(reduced),
      promises: [],
      notes: [`${parameters} parameters, ${((4 * parameters) / 1e6).toFixed(1)} MB of gradient a step`],
    };
  } finally {
    await Promise.all([...groups.values()].flat().map((side) => side.stop()));
  }
}

async function group(count, method) {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const given = { method: { name: method }, model: 'nano', spatial: [28, 28], batch: BATCH, addresses };
  return Promise.all(
    addresses.map((_, rank) => Side.start(`rank ${rank}`, ours('parallel.mjs', { ...given, rank }))),
  );
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
