import type { PairedTest, ScoreReport } from '@medformer/schema';
import { nameOf } from '../findings.js';
import { type Html, html } from '../html.js';
import { percent, pValue } from '../numbers.js';

const TEST_NAMES: Record<PairedTest['test'], string> = {
  'paired-bootstrap': 'paired bootstrap over subjects',
  delong: 'DeLong',
  'mcnemar-exact': 'McNemar, exact',
};

export function tests(report: ScoreReport): Html | undefined {
  if (report.tests.length === 0) return undefined;
  const row = ({ first, second, metric, test, seed, difference, interval, p }: PairedTest) =>
    html`<tr><th scope="row">${nameOf(report.rows[first]!)} against ${nameOf(report.rows[second]!)}</th><td class="text">${metric === 'auc' ? 'AUC' : 'ACC'}</td><td class="text">${TEST_NAMES[test]}${seed !== undefined && `, seed ${seed}`}</td><td>${signed(difference)}</td><td>${interval && `[${signed(interval.low)}, ${signed(interval.high)}]`}</td><td>${pValue(p)}</td></tr>`;
  return html`<section id="tests" aria-labelledby="tests-heading">
    <h2 id="tests-heading">Paired tests</h2>
    <p class="muted">Two rows on the same images: the first less the second in points, two-sided p-values, not corrected for the number of tests. They tell whether these models differ on images like these, not whether their methods do over other seeds.</p>
    <div class="scroll"><table class="scores">
      <thead><tr><th scope="col">Rows</th><th scope="col">Metric</th><th scope="col">Test</th><th scope="col">Difference</th><th scope="col">Interval</th><th scope="col">p</th></tr></thead>
      <tbody>${report.tests.map(row)}</tbody>
    </table></div>
  </section>`;
}

function signed(fraction: number): string {
  return `${fraction >= 0 ? '+' : '−'}${percent(Math.abs(fraction))}`;
}
