import { describe, expect, it } from 'vitest';
import { growthOf, tableOf } from './growth.mjs';

/** Two models that are served and changed for an hour, as samples. */
const samples = (change: (at: number) => Record<string, number> = () => ({})) =>
  Array.from({ length: 60 }, (_, at) => ({
    seconds: 60 * at,
    'service, MiB': at < 10 ? 120 + 10 * at : 220 + (at % 5) * 8,
    'children, MiB': 960 + (at % 7) * 20,
    children: at % 9 === 0 ? 3 : 2,
    tensors: at % 4 === 0 ? 140 : 143,
    'open files': 29 + (at % 3),
    'lag p99, ms': 20,
    'images/s': 300,
    ...change(at),
  }));

describe('what a soak calls growth', () => {
  it('is none while a service warms up, breathes, and changes its models', () => {
    expect(growthOf(samples())).toEqual([]);
  });

  it.each([
    ['memory that is never given back', 'service, MiB', (at: number) => 200 + 4 * at],
    ['memory of its processes', 'children, MiB', (at: number) => 900 + 12 * at],
    ['processes that do not end', 'children', (at: number) => 2 + Math.floor(at / 10)],
    ['one tensor of many batches', 'tensors', (at: number) => 140 + Math.floor(at / 20)],
    ['sockets that stay open', 'open files', (at: number) => 29 + at],
  ])('is %s', (_what, name, value) => {
    expect(growthOf(samples((at) => ({ [name]: value(at) })))).toEqual([
      expect.stringContaining(`${name}: `),
    ]);
  });

  it('shows as a table over time', () => {
    const lines = tableOf(samples()).split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe(
      '| s | service, MiB | children, MiB | children | tensors | open files | lag p99, ms | images/s |',
    );
    expect(lines.at(-1)).toContain('| 3540 | 252 | ');
  });
});
