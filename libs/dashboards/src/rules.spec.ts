import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { GPU_CASES, RULE_CASES } from './spec/rule-cases.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const RULES = join(ROOT, 'charts/medformer/files/rules/medformer.yaml');
const PROMTOOL = join(ROOT, '.cache/tools/bin/promtool');

interface Rule {
  alert?: string;
  record?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { name: string; rules: Rule[] }[] };
const alerts = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);

describe('the rules', () => {
  const folder = mkdtempSync(join(tmpdir(), 'medformer-rules-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const promtool = (...argv: string[]) => execa(PROMTOOL, argv, { reject: false, all: true });
  const test = async (tests: unknown[]) => {
    const file = join(folder, 'test.yaml');
    writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: '1m', tests }));
    const { all, exitCode } = await promtool('test', 'rules', file);
    expect(exitCode, all).toBe(0);
  };
  const seriesOf = (series: Record<string, string>) =>
    Object.entries(series).map(([name, values]) => ({ series: name, values }));

  it('are ones that Prometheus takes, without a lint', async () => {
    const { all, exitCode } = await promtool('check', 'rules', '--lint=all', '--lint-fatal', RULES);
    expect(exitCode, all).toBe(0);
  });

  it('each fire with the summary that people read, and are silent when it is nearly so', async () => {
    expect(RULE_CASES.map(({ alert }) => alert).sort()).toEqual(alerts.map(({ alert }) => alert).sort());
    const test_group = (
      name: string,
      series: Record<string, string>,
      expected: unknown[],
      of: (typeof RULE_CASES)[number],
    ) => ({
      name,
      interval: '1m',
      input_series: seriesOf(series),
      alert_rule_test: [{ eval_time: of.at, alertname: of.alert, exp_alerts: expected }],
    });
    await test(
      RULE_CASES.flatMap((of) => {
        const runbook = `docs/runbooks.md#${of.alert.toLowerCase()}`;
        const fired = { exp_labels: of.labels, exp_annotations: { summary: of.summary, runbook } };
        expect(of.silent.length).toBeGreaterThan(0);
        return [
          test_group(`${of.alert} fires`, of.firing, [fired], of),
          ...of.silent.map((series, index) => test_group(`${of.alert} is silent ${index}`, series, [], of)),
        ];
      }),
    );
  });

  it("join a GPU's use to the pod, however the exporter spells it", async () => {
    await test(
      GPU_CASES.map(({ series, expected, labels }) => ({
        interval: '1m',
        input_series: seriesOf(series),
        promql_expr_test: Object.entries(expected).map(([record, value]) => ({
          expr: record,
          eval_time: '10m',
          exp_samples: [{ labels: `${record}${labels}`, value }],
        })),
      })),
    );
  });

  it('each have a severity and a section of the runbook', () => {
    const runbooks = readFileSync(join(ROOT, 'docs/runbooks.md'), 'utf8');
    for (const { alert, labels, annotations } of alerts) {
      expect(['critical', 'warning', 'info'], alert).toContain(labels?.severity);
      expect(annotations?.runbook).toBe(`docs/runbooks.md#${alert!.toLowerCase()}`);
      expect(runbooks).toContain(`\n## ${alert}\n`);
    }
  });
});
