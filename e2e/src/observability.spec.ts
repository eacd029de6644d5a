import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { dashboards, expressionsOf } from '@medformer/dashboards';
import { EncodeRequest, EncoderServiceClient } from '@medformer/gen/encoder';
import { Rng } from '@medformer/schema';
import { labelValues } from '@medformer/telemetry';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { Prometheus } from './harness/prometheus.js';
import { freePort, ROOT, type Services, startEncoder, startStandalone } from './harness/services.js';
import { until } from './harness/until.js';

/** What only a GPU's exporter or TLS gives; promtool's tests load samples of these. */
const ELSEWHERE = /^(DCGM_|medformer:gpu_|medformer_tls_)/;
const RULES = join(ROOT, 'charts/medformer/files/rules/medformer.yaml');
const NAMES = /\b(?:medformer[_:][a-z0-9_:]+|grpc_server_[a-z0-9_]+|DCGM_[A-Z0-9_]+|up)\b(?=[{[) ])/g;

/**
 * Standalone services and an encoder of its own work on a small cohort while a real Prometheus scrapes both: what an
 * operator looks at is asked of what the services really say.
 */
describe('what operators watch', () => {
  let folder: string;
  let standalone: Services;
  let encoder: Services;
  let prometheus: Prometheus;
  const begun = Date.now();
  const seconds = () => Math.ceil((Date.now() - begun) / 1000);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-observability-'));
    const data = join(folder, 'data');
    const ports = { port: await freePort(), metricsPort: await freePort() };
    [standalone, encoder] = await Promise.all([startStandalone(data), startEncoder(data, ports)]);
    const target = ({ metricsUrls }: Services) => new URL(metricsUrls[0]!).host;
    const rules = join(folder, 'rules.yaml');
    await writeFile(rules, await rulesWithoutPatience());
    prometheus = await Prometheus.start(join(folder, 'prometheus'), {
      targets: { standalone: target(standalone), encoder: target(encoder) },
      rules: [rules],
    });
    await work(folder, standalone.env, encoder.env);
    // Rates need a sample after what they count.
    await new Promise((resolve) => setTimeout(resolve, 3000));
  });

  afterAll(async () => {
    await prometheus?.stop();
    await Promise.all([standalone?.stop(), encoder?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  it.each(Object.entries(dashboards))(
    'every panel of the dashboard %s shows something',
    async (_name, dashboard) => {
      const empty: string[] = [];
      for (const { panel, expression } of expressionsOf(dashboard)) {
        if (namesIn(expression).some((name) => ELSEWHERE.test(name))) continue;
        const asked = expression
          .replaceAll('$job', '.*')
          .replaceAll('$__rate_interval', '30s')
          .replaceAll('[1h]', '[1m]');
        const series = await prometheus.range(asked, seconds());
        if (!series.some(({ values }) => values.some(([, value]) => Number.isFinite(Number(value)))))
          empty.push(`${panel}: ${asked}`);
      }
      expect(empty).toEqual([]);
    },
  );

  it('every rule is evaluated without an error, from metrics that are there', async () => {
    const rules = await prometheus.rules();
    expect(rules.length).toBeGreaterThan(20);
    const missing: string[] = [];
    for (const { name, query, type, health, lastError } of rules) {
      expect({ name, health, lastError }).toEqual({ name, health: 'ok', lastError: undefined });
      const elsewhere = [name, ...namesIn(query)].some((used) => ELSEWHERE.test(used));
      if (elsewhere) continue;
      const needed = type === 'recording' ? [name, ...namesIn(query)] : namesIn(query);
      for (const metric of needed)
        if ((await prometheus.series(metric)).length === 0) missing.push(`${name}: ${metric}`);
    }
    expect(missing).toEqual([]);
  });

  it('every label that the services set is of its closed set', async () => {
    const outside = new Set<string>();
    for (const { __name__ = '', ...labels } of await prometheus.series(
      '{__name__=~"medformer_.*|grpc_server_.*"}',
    )) {
      const metric = __name__.replace(/_(bucket|sum|count)$/, '');
      for (const [label, value] of Object.entries(labels)) {
        if (['job', 'instance', 'le', 'quantile'].includes(label)) continue;
        const values = labelValues(metric, label) ?? labelValues(__name__, label);
        const known = typeof values === 'string' || values?.includes(value);
        if (!known) outside.add(`${metric} ${label}=${value}`);
      }
    }
    expect([...outside]).toEqual([]);
  });

  it('no alert of importance fires while all is well', async () => {
    const firing = (await prometheus.alerts()).filter(({ labels }) => labels.severity === 'critical');
    expect(firing).toEqual([]);
  });

  it('an encoder that is gone is told of, by name, and only it', async () => {
    const [process] = encoder.processes;
    process!.kill('SIGKILL');
    const alert = await until('the alert', async () =>
      (await prometheus.alerts()).find(
        ({ labels, state }) => labels.alertname === 'MedformerServiceDown' && state === 'firing',
      ),
    );
    expect(alert.labels).toMatchObject({ job: 'encoder', severity: 'critical' });
    expect(alert.annotations.summary).toMatch(/^encoder at .* does not answer its scrapes$/);
    const health = Object.fromEntries((await prometheus.targets()).map((of) => [of.labels.job, of.health]));
    expect(health).toEqual({ encoder: 'down', standalone: 'up' });
  });
});

/** Once through the platform: ingest, fuse, look at views, train, evaluate, encode by both encoders. */
async function work(
  folder: string,
  env: Record<string, string>,
  encoderEnv: Record<string, string>,
): Promise<void> {
  const archive = join(folder, 'thirds.npz');
  await writeFile(archive, npz(medmnistMembers()));
  const told = ['--modality', 'xray', '--body-part', 'chest'];
  await medformerJson(env, 'ingest', archive, '--name', 'thirds', ...told);
  const { record } = await medformerJson(env, 'datasets', 'show', 'thirds');
  const task: string = record.labelSpaces[0].task;
  await medformerJson(env, 'views', 'thirds', '--images', '1', '--views', '2', '-o', join(folder, 'views'));
  for (const seed of SEEDS) {
    await medformerJson(
      env,
      'fuse',
      'thirds',
      '--set',
      `seed=${seed}`,
      '-o',
      join(folder, `fusions-${seed}`),
    );
    await scraped();
  }
  const spec = join(folder, 'run.yaml');
  await writeFile(
    spec,
    stringify({
      dataset: 'thirds',
      method: { name: 'simclr' },
      batchSize: 16,
      steps: 40,
      checkpointEvery: 20,
      monitor: { every: 20, task, labelsPerClass: 5 },
    }),
  );
  let checkpoint = '';
  for (const seed of SEEDS) {
    ({ checkpoint } = await medformerJson(env, 'train', spec, '--set', `seed=${seed}`));
    await scraped();
  }
  const entry = `SimCLR:knn:${checkpoint}`;
  await medformerJson(
    env,
    'evaluate',
    '--dataset',
    'thirds',
    '--task',
    task,
    '--seeds',
    '0',
    '--entry',
    entry,
  );
  const content = await picture();
  await medformerJson(env, 'serve', checkpoint);
  await medformerJson(encoderEnv, 'serve', checkpoint);
  await encode(env.MEDFORMER_ADDRESS!, content);
  await encode(encoderEnv.MEDFORMER_ENCODER_ADDRESS!, content);
}

/** Done more than once, with a scrape between: what happened between two scrapes only has no rate. */
const SEEDS = [0, 1];
const scraped = () => new Promise((resolve) => setTimeout(resolve, 2500));

/** Drift is of 32 images at least, and is known once its reference is read, which the first image asks for. */
async function encode(address: string, content: Buffer): Promise<void> {
  const client = new EncoderServiceClient(address, credentials.createInsecure());
  const image = { $case: 'file' as const, value: { name: 'one.png', content } };
  const request = EncodeRequest.fromPartial({ image, modality: 'xray', bodyPart: 'chest' });
  for (let call = 0; call < 40; call += 1) {
    await new Promise((resolve, reject) =>
      client.encode(request, (error, answer) => (error ? reject(error) : resolve(answer))),
    );
    // Over some scrapes: what is counted between two of them shows no rate.
    await new Promise((resolve) => setTimeout(resolve, 75));
  }
  client.close();
}

function picture(): Promise<Buffer> {
  const random = Rng.of(0, 'picture');
  const pixels = Buffer.from(Array.from({ length: 28 * 28 }, () => random.integer(200)));
  return sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toBuffer();
}

/** The rules as they are, but that alerts wait seconds where they wait minutes. */
async function rulesWithoutPatience(): Promise<string> {
  const rules = parse(await readFile(RULES, 'utf8'));
  for (const rule of rules.groups.flatMap((group: { rules: { for?: string }[] }) => group.rules))
    if (rule.for) rule.for = '2s';
  return stringify(rules);
}

function namesIn(expression: string): string[] {
  return [...new Set(`${expression} `.match(NAMES) ?? [])];
}
