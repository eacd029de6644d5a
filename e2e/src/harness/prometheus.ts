import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort, ROOT } from './services.js';
import { until } from './until.js';

export interface Series {
  metric: Record<string, string>;
  values: [number, string][];
}

export interface RuleState {
  name: string;
  query: string;
  type: 'alerting' | 'recording';
  health: 'ok' | 'unknown' | 'err';
  lastError?: string;
}

export interface Alert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: 'pending' | 'firing';
}

/** A real Prometheus that scrapes every second. */
export class Prometheus {
  private constructor(
    private readonly url: string,
    private readonly child: ChildProcess,
  ) {}

  /** @param targets host:port by job */
  static async start(
    folder: string,
    { targets, rules }: { targets: Record<string, string>; rules: string[] },
  ): Promise<Prometheus> {
    await mkdir(folder, { recursive: true });
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: rules,
      scrape_configs: Object.entries(targets).map(([job_name, target]) => ({
        job_name,
        static_configs: [{ targets: [target] }],
      })),
    };
    const file = join(folder, 'prometheus.yaml');
    await writeFile(file, stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      join(ROOT, '.cache/tools/bin/prometheus'),
      [
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(folder, 'tsdb')}`,
        `--web.listen-address=${address}`,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const log = createWriteStream(join(folder, 'prometheus.log'));
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    const started = new Prometheus(`http://${address}`, child);
    await until('Prometheus', async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}; see ${folder}`);
      return (await fetch(`http://${address}/-/ready`).catch(() => undefined))?.ok || undefined;
    });
    return started;
  }

  /** Every series of an expression over the last `seconds`. */
  async range(expression: string, seconds: number): Promise<Series[]> {
    const end = Date.now() / 1000;
    const query = { query: expression, start: String(end - seconds), end: String(end), step: '1' };
    return (await this.get<{ result: Series[] }>('query_range', query)).result;
  }

  async series(selector: string): Promise<Record<string, string>[]> {
    return this.get('series', { 'match[]': selector });
  }

  async rules(): Promise<RuleState[]> {
    const { groups } = await this.get<{ groups: { rules: RuleState[] }[] }>('rules', {});
    return groups.flatMap(({ rules }) => rules);
  }

  async alerts(): Promise<Alert[]> {
    return (await this.get<{ alerts: Alert[] }>('alerts', {})).alerts;
  }

  async targets(): Promise<{ labels: Record<string, string>; health: string }[]> {
    return (await this.get<{ activeTargets: never[] }>('targets', {})).activeTargets;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
  }

  /** @throws with Prometheus's own words for an expression that it does not take */
  private async get<Data>(path: string, query: Record<string, string>): Promise<Data> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(query)}`);
    const { status, data, error } = (await response.json()) as { status: string; data: Data; error?: string };
    if (status !== 'success') throw new Error(`${path} ${query.query ?? ''}: ${error}`);
    return data;
  }
}
