import type { MetricSummary, PairedTest, ScoreReport } from '@medformer/schema';
import { table } from '../terminal.js';
import { CLAIMS, PROCEDURES } from './procedures.js';

/** Top-1, top-3 and top-5 accuracy, mean ± standard deviation over seeds, beside the thesis's; then what it claims. */
export function reproductionTables({ rows, tests, spec, testImages, synthetic }: ScoreReport): string {
  const rowOf = (label: string) => rows.findIndex((row) => row.label === label);
  const scores = table(
    ['', 'Top-1', 'Top-3', 'Top-5', 'thesis* Top-1', 'Top-3', 'Top-5'],
    PROCEDURES.map(({ label, thesis }) => {
      const row = rows[rowOf(label)];
      return [
        label,
        ...(row ? [row.top1, row.top3, row.top5].map(spread) : ['failed', 'failed', 'failed']),
        ...[thesis.top1, thesis.top3, thesis.top5].map(([mean, std]) => `${mean} ± ${std}`),
      ];
    }),
  );
  const claims = table(
    ['claim', 'points of Top-1', '95 % interval', 'p', 'here'],
    CLAIMS.map(([worse, better]) => {
      const [first, second] = [rowOf(PROCEDURES[better]!.label), rowOf(PROCEDURES[worse]!.label)];
      const test = tests.find((each) => each.first === first && each.second === second && isClaimed(each));
      return [
        `${PROCEDURES[worse]!.label} < ${PROCEDURES[better]!.label}`,
        ...(test ? verdict(test) : ['', '', '', 'not tested']),
      ];
    }),
  );
  return `${scores}
Per cent of ${testImages} test images, mean ± standard deviation over seeds ${spec.seeds.join(', ')}.${
    synthetic ? ' SYNTHETIC cohort: nothing here is of a patient.' : ''
  }
* on the thesis's own data, which is not public: for the order, not for the height.

${claims}
The paired bootstrap over patients, of the mean over seeds; no correction for the number of claims.`;
}

/** Accuracy is Top-1. */
function isClaimed({ test, metric }: PairedTest): boolean {
  return test === 'paired-bootstrap' && metric === 'accuracy';
}

function verdict({ difference, interval, p }: PairedTest): string[] {
  const points = (value: number) => (100 * value).toFixed(1);
  const clear = interval && (interval.low > 0 || interval.high < 0);
  const direction = difference > 0 ? 'holds' : 'does not hold';
  return [
    points(difference),
    interval ? `${points(interval.low)} to ${points(interval.high)}` : '',
    p < 0.001 ? '< 0.001' : p.toFixed(3),
    clear ? direction : `${direction}, within chance`,
  ];
}

function spread(summary: MetricSummary | undefined): string {
  if (!summary) return '';
  return `${(100 * summary.mean).toFixed(1)} ± ${(100 * summary.std).toFixed(1)}`;
}
