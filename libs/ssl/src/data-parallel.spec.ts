import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

type Step = Record<
  'loss' | 'gradientNorm' | 'embeddingStd' | 'effectiveRank' | 'centredRank' | 'accuracy' | 'images',
  number
> & { recorded: boolean };

interface Run {
  name: string;
  history: Step[];
  weights: number[];
  warnings: string[];
}

const NAMES = [
  'simclr',
  'simclr-sum-few',
  'barlow',
  'barlow-sample',
  'mae',
  'jigsaw',
  'image-gpt',
  'supervised',
  'multi-label',
  'mean-teacher',
  'pi-model',
  'fusions-of-batch',
  'fusions-and-views',
  'fused-supervised',
  'fused-simclr',
  'multi-task',
  'accumulated',
];

/** Runs by case, of one process and of each of several. */
let alone: Map<string, Run>;
let shared: Map<string, Run>[];

beforeAll(async () => {
  [alone] = (await runAll(1)) as [Map<string, Run>];
  // Uneven shares: 3, 3 and 4 images.
  shared = await runAll(3);
}, 600_000);

describe.each(NAMES)('%s by three processes', (name) => {
  it('has the losses, gradients, health and weights of one process with the whole batch', () => {
    const one = alone.get(name)!;
    for (const [at, runs] of shared.entries()) {
      const run = runs.get(name)!;
      expect(run.warnings).toEqual(one.warnings);
      run.history.forEach((step, index) => {
        const { recorded, accuracy, images, effectiveRank, centredRank, ...values } = step;
        const wanted = one.history[index]!;
        for (const [field, value] of Object.entries(values))
          expect(Math.abs(value / wanted[field as keyof typeof values] - 1), `${at} ${field}`).toBeLessThan(
            1e-5,
          );
        for (const [field, value] of Object.entries({ accuracy, effectiveRank, centredRank }))
          expect(Math.abs(value - wanted[field as 'accuracy']), `${at} ${field}`).toBeLessThan(1e-3);
        expect({ recorded, images }).toEqual({ recorded: true, images: wanted.images });
      });
      if (run.weights.length > 0)
        expect(
          Math.max(...run.weights.map((weight, place) => Math.abs(weight - one.weights[place]!))),
        ).toBeLessThan(1e-5);
    }
  });

  it('is the same in all processes', () => {
    const [first, ...others] = shared.map((runs) => runs.get(name)!.history);
    expect(others).toEqual([first, first]);
  });

  it('keeps its weights in the first process alone', () => {
    expect(shared.map((runs) => runs.get(name)!.weights.length > 0)).toEqual([true, false, false]);
  });
});

/** The cases' runs in each of `count` processes. */
async function runAll(count: number): Promise<Map<string, Run>[]> {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  return Promise.all(addresses.map((_, rank) => replica(rank, addresses)));
}

async function replica(rank: number, addresses: readonly string[]): Promise<Map<string, Run>> {
  const script = fileURLToPath(new URL('../spec/replica.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, NAMES.join(), String(rank), ...addresses]);
  const [out, err]: string[][] = [[], []];
  child.stdout.on('data', (chunk) => out!.push(String(chunk)));
  child.stderr.on('data', (chunk) => err!.push(String(chunk)));
  const [code] = await once(child, 'close');
  if (code !== 0)
    throw new Error(`rank ${rank} of ${addresses.length}: exit ${code}: ${err!.join('').slice(-2000)}`);
  const runs = out!
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Run);
  return new Map(runs.map((run) => [run.name, run]));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
