import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPage, pictureWidths } from './harness/browser.js';
import { medformer, medformerJson, medformerProcess } from './harness/medformer.js';
import { type Services, startStandalone } from './harness/services.js';
import { descendants, isAlive } from './harness/training.js';
import { until } from './harness/until.js';

/** Nine runs, a generator and an evaluation: on a busy machine that is minutes. */
const TIMEOUT_MS = 600_000;

const PLAN = `
dataset: brains
task: group
cohort: { seed: 3, groups: 3, perGroup: [4, 1, 3], imageShape: [28, 28] }
seeds: [0]
intervals: { resamples: 100 }
common:
  model: { width: 24, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 8, frequencies: 2 }
  batchSize: 8
  steps: 3
phases:
  bt: { method: { name: barlow-twins, projection: [16, 8] }, fusion: { perImage: 0.5 } }
  nt: { method: { name: supervised }, fusion: { perImage: 0.5 } }
  cr: { method: { name: consistency, target: fusion, labelledShare: 1, teacher: none }, fusion: { perImage: 0.5 } }
fusion: { sources: [2, 8] }
generator: { steps: 4, batchSize: 2, fusionBatchSize: 2, network: { width: 4, levels: 1 } }
measured: 6
`;

describe('BrainFuse from the command line', () => {
  let folder: string;
  let services: Services;
  let reproduction: string[];
  let page: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests assert the shape themselves
  let reproduced: any;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-brainfuse-'));
    const plan = join(folder, 'plan.yaml');
    await writeFile(plan, PLAN);
    page = join(folder, 'brainfuse.html');
    reproduction = ['reproduce', 'brainfuse', '--plan', plan, '--output', page];

    const killed = await startStandalone(join(folder, 'data'));
    const ending = medformerProcess(killed.env, ...reproduction);
    await until(
      'the third run',
      async () => {
        if (ending.exitCode !== null) throw new Error(`it ended: ${(await ending).stderr}`);
        return (await medformerJson(killed.env, 'runs', 'ls')).length >= 3 || undefined;
      },
      TIMEOUT_MS,
    );
    const [server] = killed.processes;
    const children = descendants(server!.pid!);
    server!.kill('SIGKILL');
    expect((await ending).exitCode).not.toBe(0);
    await until('the children to end', () => (children.some(isAlive) ? undefined : true), 15_000);

    services = await startStandalone(join(folder, 'data'));
    reproduced = await medformerJson(services.env, ...reproduction);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await services?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('goes on where all services died, to six procedures of as many runs as they need', async () => {
    expect(reproduced.rows).toHaveLength(6);
    for (const { top1, top3 } of reproduced.rows) {
      expect(top1.mean).toBeGreaterThanOrEqual(0);
      // Of three groups.
      expect(top3.mean).toBe(1);
    }
    const runs = await medformerJson(services.env, 'runs', 'ls');
    expect(runs.map(({ state }: { state: string }) => state)).toEqual(new Array(9).fill('succeeded'));
  });

  it('measures raw and repaired fusions of two and eight patients by the embeddings of Barlow Twins', () => {
    const [raw, repaired] = reproduced.fusions.map(({ record }: { record: object }) => record);

    expect(raw.spec.fusion.generator).toBeUndefined();
    expect(repaired.spec.fusion.generator).toBe(reproduced.generator);
    for (const { rows } of [raw, repaired]) {
      expect(rows.map(({ sources }: { sources: number }) => sources)).toEqual([2, 8]);
      for (const row of rows) {
        expect(row).toMatchObject({
          fusions: 6,
          images: 12,
          patients: 12,
          frechet: { images: 6, width: 24 },
        });
        expect(row.memorisation.rate).toBeLessThanOrEqual(1);
      }
    }
    expect(raw.rows[0].seam.raw).toBe(repaired.rows[0].seam.raw);
    expect(repaired.rows[0].drift.mean).toBeLessThan(0.02);
  });

  it(
    'finds everything when it is run again, and prints the same tables',
    async () => {
      const first = await readFile(page, 'utf8');
      const [again, once] = [
        await medformerJson(services.env, ...reproduction),
        await medformer(services.env, ...reproduction),
      ];

      expect(again).toEqual(reproduced);
      expect(await readFile(page, 'utf8')).toBe(first);
      expect(once.stderr.match(/found, trained before/g)).toHaveLength(9);
      expect(once.stdout).toMatch(/NT \+ BT \+ BrainFuse \+ CR/);
      expect(once.stdout).toMatch(/│ RawBrainFuse │ 2 +│ 6/);
      expect(once.stdout).toMatch(/│ BrainFuse +│ 8 +│ 6/);
    },
    TIMEOUT_MS,
  );

  it('writes a page that a browser shows, with fusions beside what they are made of', async () => {
    const { page: shown, browser, complaints } = await openPage(page);
    try {
      expect(complaints).toEqual([]);
      const widths = await pictureWidths(shown, '#fusions img');
      // Two fusions each of two and eight patients; fusion, before repair, regions, sources.
      expect(widths).toHaveLength(2 * (3 + 2) + 2 * (3 + 8));
      expect(Math.min(...widths)).toBeGreaterThan(0);
      expect(await shown.locator('#fusions tbody tr').count()).toBe(4);
      expect(await shown.locator('#fusions .panel').first().textContent()).toMatch(
        /fusion\s*before repair\s*regions\s*source 1\s*source 2/,
      );
      expect(await shown.locator('#results tbody tr').count()).toBe(6);
    } finally {
      await browser.close();
    }
  });

  it('replays a data set of fusions from its manifest to the same bytes', async () => {
    const { env } = services;
    const spec = join(folder, 'fusion.yaml');
    const fuse = (...argv: string[]) => medformerJson(env, 'fuse', ...argv, '--count', '20');
    await fuse('brains', '--set', `generator=${reproduced.generator}`, '--name', 'fused');
    const { record } = await medformerJson(env, 'datasets', 'show', 'fused');
    await writeFile(spec, JSON.stringify(record.fusion.spec));
    const again = await fuse(record.fusion.dataset, '--spec', spec, '--name', 'fused-again');
    const replayed = await medformerJson(env, 'datasets', 'show', 'fused-again');

    expect(again.created).toBe(true);
    expect(record.census.images).toEqual({ train: 20 });
    expect(replayed.record.shards).toEqual(record.shards);
  });

  it('measures fusions of any spec, and says what the columns mean', async () => {
    const { env } = services;
    const argv = ['fuse', 'brains', '--set', 'sources=[3]', '--measure', '--count', '4'];
    const { stdout } = await medformer(env, ...argv);
    const { quality, record } = await medformerJson(env, ...argv);

    expect(stdout).toContain(quality);
    expect(stdout).toMatch(/copies: fusions that correlate more with a real image/);
    expect(record.rows).toMatchObject([{ sources: 3, fusions: 4 }]);
    expect(record.rows[0]).not.toHaveProperty('frechet');
    const { code, stderr } = await medformer(env, ...argv, '--name', 'both');
    expect([code, stderr.trim()]).toEqual([
      13,
      expect.stringMatching(/expected one of --output, --name and --measure$/),
    ]);
  });
});
