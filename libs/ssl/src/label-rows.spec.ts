import { expect, it } from 'vitest';
import { labelRows } from './label-rows.js';

it('gives each class its probability: 1, a share of a mixture, or none where nothing is known', () => {
  const rows = labelRows({ task: 'kind', classes: 3 }, [
    { labels: { kind: 2 } },
    { labels: { other: 1 } },
    { labels: {}, mixtures: { kind: [0.25, 0.75, 0] } },
  ]);

  expect([...rows]).toEqual([...[0, 0, 1], ...[0, 0, 0], ...[0.25, 0.75, 0]]);
});

it('gives each of several labels its own, -1 where nothing is known', () => {
  const rows = labelRows({ task: 'findings', classes: 2, kind: 'multi-label' }, [
    { labels: { findings: [1, 0] } },
    { labels: {} },
    { labels: {}, mixtures: { findings: [0.5, 1] } },
  ]);

  expect([...rows]).toEqual([...[1, 0], ...[-1, -1], ...[0.5, 1]]);
});
