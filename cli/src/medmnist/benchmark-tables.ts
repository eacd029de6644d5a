import type { MetricSummary, ScoreRow } from '@medformer/schema';
import { table } from '../terminal.js';
import type { BenchmarkPlan, Reference } from './benchmark-plan.js';
import { isJoint, type Phase, phasesOf, REGIME_LABELS, type RegimeName } from './regimes.js';
import type { SetResult } from './run-benchmark.js';

type Difference = 'mt-st' | 'ssl-st' | 'ssl-mt';

/** The thesis's columns. Its SSL is self-supervision and then the set's own task. */
const DIFFERENCES: [Difference, string, RegimeName, RegimeName][] = [
  ['mt-st', 'MT-ST', 'mt', 'st'],
  ['ssl-st', 'SSL-ST', 'ssl-st', 'st'],
  ['ssl-mt', 'SSL-MT', 'ssl-st', 'mt'],
];

/** In place of what a run that failed leaves out. */
const FAILED = 'failed';

/**
 * Test scores by set, mean ± standard deviation over seeds, beside published ones; then the thesis's table, differences in
 * AUC and in points of accuracy, beside its own figures. What others measured is marked with *.
 */
export function benchmarkTables(
  { regimes, seeds, size, sets }: BenchmarkPlan,
  results: readonly SetResult[],
  { ownData }: { ownData: boolean },
): string {
  const references = new Map(sets.map(({ flag, reference }) => [flag, reference]));
  const of = (flag: string) => references.get(flag)!;
  const scores = table(
    [
      '',
      ...regimes.flatMap((name) => [`${REGIME_LABELS[name]} AUC`, 'ACC']),
      'ResNet-18* AUC',
      'ACC',
      'ResNet-50* AUC',
      'ACC',
    ],
    results.map((result) => [
      result.title,
      ...regimes.flatMap((regime) => {
        const row = rowOf(result, regime);
        return row ? [spread(row.auc), spread(row.accuracy)] : [FAILED, FAILED];
      }),
      ...[of(result.flag).resnet18, of(result.flag).resnet50].flatMap(({ auc, accuracy }) => [
        auc.toFixed(3),
        accuracy.toFixed(3),
      ]),
    ]),
  );
  const differences = table(
    [
      '',
      ...DIFFERENCES.flatMap(([, name]) => [`${name} AUC`, 'ACC']),
      'SSL steps',
      ...DIFFERENCES.flatMap(([, name]) => [`${name}* AUC`, 'ACC']),
      'SSL steps*',
    ],
    results.map((result) => [
      result.title,
      ...DIFFERENCES.flatMap(([, , more, less]) => difference(result, regimes, more, less)),
      result.sslSteps === undefined ? '' : String(result.sslSteps),
      ...thesisCells(of(result.flag)),
    ]),
  );
  return [
    `MedMNIST at ${size}, test split, ${seeds.length} seeds, model picked by validation AUC`,
    scores,
    'Differences in AUC and in points of accuracy',
    differences,
    ...jointLines(regimes, sets),
    '* not measured here: ResNets at 28 as MedMNIST publishes them (volumes: 3D convolutions), differences as in the thesis.',
    ...(ownData
      ? [
          "These need not be MedMNIST's files: a checksum of another file was allowed. Scores compare with each other only.",
        ]
      : []),
  ].join('\n');
}

/** How long the runs took that all sets share. */
function jointLines(regimes: BenchmarkPlan['regimes'], sets: BenchmarkPlan['sets']): string[] {
  const [set] = sets;
  const phases = phasesOf(regimes).filter(isJoint);
  if (!set || phases.length === 0) return [];
  const steps = (phase: Phase) => `${set.spec(phase, 0).steps} steps`;
  return [
    `MT: one set of weights for ${sets.length} sets, ${steps('mt')}; a set's own best checkpoint of it is tested.${
      phases.includes('ssl-all') ? ` Before it, SSL on all of them together: ${steps('ssl-all')}.` : ''
    }`,
  ];
}

function rowOf({ regimes, scored }: SetResult, regime: RegimeName): ScoreRow | undefined {
  return scored?.record.rows[regimes.indexOf(regime)];
}

function difference(
  result: SetResult,
  regimes: readonly RegimeName[],
  more: RegimeName,
  less: RegimeName,
): [string, string] {
  if (!regimes.includes(more) || !regimes.includes(less)) return ['', ''];
  const [first, second] = [rowOf(result, more), rowOf(result, less)];
  if (!first || !second) return [FAILED, FAILED];
  const paired = (metric: 'auc' | 'accuracy', digits: number, scale: number) => {
    const values = first[metric].values.map((value, at) => scale * (value - second[metric].values[at]!));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const std = values.length > 1 ? ` ± ${Math.sqrt(squares / (values.length - 1)).toFixed(digits)}` : '';
    return `${signed(mean, digits)}${std}`;
  };
  return [paired('auc', 3, 1), paired('accuracy', 1, 100)];
}

function thesisCells({ thesis }: Reference): string[] {
  if (!thesis) return ['', '', '', '', '', '', ''];
  const cells = DIFFERENCES.flatMap(([key]) => [signed(thesis[key].auc, 3), signed(thesis[key].accuracy, 1)]);
  return [...cells, String(thesis.sslSteps)];
}

function spread({ mean, std, values }: MetricSummary): string {
  return values.length === 1 ? mean.toFixed(3) : `${mean.toFixed(3)} ± ${std.toFixed(3)}`;
}

function signed(value: number, digits: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(digits)}`;
}
