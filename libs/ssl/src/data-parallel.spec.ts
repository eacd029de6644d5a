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

/** A loss's gradient by one process's part in it, and finite differences of the whole. */
interface Gradient {
  name: string;
  loss: number;
  worst: number;
  largest: number;
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

describe.each([2, 3])('the gradient that %i processes train by', (count) => {
  it('is that of the whole batch by finite differences, of losses that look across rows', async () => {
    const found = await processes<Gradient>('gradient-replica.mjs', count);
    for (const losses of found) {
      expect(losses).toHaveLength(4);
      for (const { name, worst, largest } of losses) {
        expect(largest, name).toBeGreaterThan(0.02);
        expect(worst / largest, name).toBeLessThan(2e-3);
      }
    }
    expect(found.slice(1)).toEqual(found.slice(1).map(() => found[0]));
  });
});

/** The cases' runs in each of `count` processes. */
async function runAll(count: number): Promise<Map<string, Run>[]> {
  const found = await processes<Run>('replica.mjs', count, NAMES.join());
  return found.map((runs) => new Map(runs.map((run) => [run.name, run])));
}

/** What each of `count` processes of a script prints. */
async function processes<Line>(script: string, count: number, ...args: string[]): Promise<Line[][]> {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const file = fileURLToPath(new URL(`../spec/${script}`, import.meta.url));
  return Promise.all(addresses.map((_, rank) => printed<Line>([file, ...args, String(rank), ...addresses])));
}

async function printed<Line>(argv: readonly string[]): Promise<Line[]> {
  const child = spawn(process.execPath, argv);
  const [out, err]: string[][] = [[], []];
  child.stdout.on('data', (chunk) => out!.push(String(chunk)));
  child.stderr.on('data', (chunk) => err!.push(String(chunk)));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${code}: ${err!.join('').slice(-2000)}`);
  return out!
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
