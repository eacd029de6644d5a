import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenPage, openPage, pictureWidths } from './harness/browser.js';
import { medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';

describe('the report page in a browser', () => {
  let folder: string;
  let services: Services;
  let opened: OpenPage;
  let page: OpenPage['page'];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-page-'));
    services = await startStandalone(join(folder, 'data'));
    opened = await openPage(await makeReport());
    page = opened.page;
  });

  afterAll(async () => {
    await opened?.browser.close();
    await services?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function makeReport(): Promise<string> {
    const { env } = services;
    const archive = join(folder, 'thirds.npz');
    await writeFile(archive, npz(medmnistMembers()));
    const argv = ['ingest', archive, '--name', 'thirds', '--modality', 'xray', '--body-part', 'chest'];
    await medformerJson(env, ...argv);
    const { record } = await medformerJson(env, 'datasets', 'show', 'thirds');
    const spec = join(folder, 'simclr.yaml');
    await writeFile(spec, 'dataset: thirds\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 6\n');
    const { checkpoint } = await medformerJson(env, 'train', spec);
    const { report } = await medformerJson(
      env,
      ...[
        'evaluate',
        '--title',
        'Thirds <b>& more</b>',
        '--dataset',
        'thirds',
        '--task',
        record.labelSpaces[0].task,
      ],
      ...['--seeds', '0,1', '--labels-per-class', '5'],
      ...['--entry', `SimCLR:linear-probe:${checkpoint}`, '--entry', `SimCLR:knn:${checkpoint}`],
    );
    const file = join(folder, 'report.html');
    await medformerJson(env, 'report', 'html', report, '-o', file, '--views', 'simclr');
    return file;
  }

  it('loads without an error, and from no network', () => {
    expect(opened.complaints).toEqual([]);
  });

  it('shows one row per checkpoint and protocol, with mean and standard deviation', async () => {
    const scores = page.locator('table.scores', { hasText: 'mean ± standard deviation over seeds' });
    const rows = await scores.locator('tbody tr').allInnerTexts();
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row).toMatch(/SimCLR[\s\S]*±/);
  });

  it('draws curves, embedding map and confusion with marks inside their frames', async () => {
    const charts = await page.locator('svg').evaluateAll((nodes) =>
      nodes.map((svg) => ({
        box: [svg.getBoundingClientRect().width, svg.getBoundingClientRect().height],
        lines: [...svg.querySelectorAll('path')].filter((path) => (path.getAttribute('d') ?? '').length > 20)
          .length,
        dots: svg.querySelectorAll('circle').length,
        cells: svg.querySelectorAll('rect').length,
        broken: /NaN|undefined|Infinity/.test(svg.outerHTML),
      })),
    );
    expect(charts.filter(({ broken }) => broken)).toEqual([]);
    expect(charts.some(({ lines, box }) => lines > 0 && box[0]! > 100)).toBe(true);
    expect(charts.some(({ dots }) => dots >= 24)).toBe(true);
    expect(charts.some(({ cells }) => cells >= 9)).toBe(true);
  });

  it('shows the sample views as pictures that decode', async () => {
    const sizes = await pictureWidths(page, 'img');
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.min(...sizes)).toBeGreaterThan(0);
  });

  it('shows a title as text, not as markup', async () => {
    expect(await page.locator('h1').first().textContent()).toContain('Thirds <b>& more</b>');
  });
});
