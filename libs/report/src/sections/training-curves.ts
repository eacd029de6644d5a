import { type CheckpointRecord, OnlineProtocol, type ScoreReport } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { chart } from '../chart.js';
import { type Html, html } from '../html.js';
import { plural } from '../numbers.js';
import { type ReferenceLoss, referenceLosses } from '../reference-losses.js';
import { readHealth } from '../run-health.js';
import { effectiveRank, embeddingSpread, pointsOf } from './health-curves.js';

const METHOD_NAMES: Record<CheckpointRecord['spec']['method']['name'], string> = {
  simclr: 'SimCLR, NT-Xent loss',
  'barlow-twins': 'Barlow Twins loss',
  jigsaw: 'jigsaw, cross entropy over permutations',
  'image-gpt': 'image GPT, cross entropy over codes',
  mae: 'masked autoencoding, squared error',
  consistency: 'consistency regularisation',
  supervised: 'cross entropy',
  'multi-task': 'several tasks, each step of its own',
};

/** The runs behind one label of the table, drawn in one panel. */
interface Panel {
  label: string;
  records: CheckpointRecord[];
}

export function trainingCurves(
  report: ScoreReport,
  checkpoints: ReadonlyMap<string, CheckpointRecord>,
): Html | undefined {
  const panels = panelsOf(report, checkpoints);
  if (panels.length === 0) return undefined;
  return html`<section id="training" aria-labelledby="training-heading">
    <h2 id="training-heading">Training</h2>
    <div class="grid">${panels.map(curves)}</div>
    <p class="muted">Dashed lines are losses that theory gives: where an untrained network stands and, where there is one, the bound below. The embedding spread is the standard deviation of the normalised embeddings in a batch: near 1 when they spread over all directions, near 0 when all images collapse to one point. The effective rank (RankMe) counts the directions that they use.</p>
  </section>`;
}

function panelsOf(report: ScoreReport, checkpoints: ReadonlyMap<string, CheckpointRecord>): Panel[] {
  const panels = new Map<string, Panel>();
  for (const row of report.rows) {
    const records = row.checkpoints.flatMap((hash) => checkpoints.get(hash) ?? []);
    const key = row.checkpoints.join();
    if (!panels.has(key) && records.some(({ history }) => history.length > 1)) {
      panels.set(key, { label: row.label, records });
    }
  }
  return [...panels.values()];
}

function curves({ label, records }: Panel): Html {
  const { spec, step } = records[0]!;
  const runs = records.length > 1 ? `, ${plural(records.length, 'run')}` : '';
  const { alarms, remarks } = readHealth(records);
  return html`<figure>
    <figcaption><strong>${label}</strong><span class="muted"> ${METHOD_NAMES[spec.method.name]}, ${plural(step, 'step')} of ${spec.batchSize}${runs}</span></figcaption>
    ${alarms.map((sentence) => html`<p class="notice">${sentence}</p>`)}
    ${lossCurve(label, records)}
    ${remarks.map((sentence) => html`<p class="muted">${sentence}</p>`)}
    ${embeddingSpread(label, records)}
    ${effectiveRank(label, records)}
    ${onlineScores(label, records)}
  </figure>`;
}

function lossCurve(label: string, records: CheckpointRecord[]): Html {
  const points = pointsOf(records, ({ loss }) => loss);
  const losses = points.map(({ value }) => value);
  const expected = referenceLosses(records[0]!);
  const references = expected.filter(
    // A line far from the curve would flatten it.
    ({ value }) => value <= 1.6 * Math.max(...losses) && value >= Math.min(...losses) - 1.5 * range(losses),
  );
  const first = losses[0]!;
  const last = losses.at(-1)!;
  return chart(
    {
      width: 560,
      height: 230,
      marginLeft: 48,
      x: { label: 'step' },
      y: { label: 'loss', grid: true, nice: true, ticks: 5 },
      marks: [
        Plot.ruleY(references, {
          y: 'value',
          strokeDasharray: '4 3',
          stroke: 'currentColor',
          strokeOpacity: 0.55,
        }),
        Plot.lineY(points, { x: 'step', y: 'value', z: 'run', stroke: 'var(--accent)', strokeWidth: 1.6 }),
        Plot.text(references, {
          y: 'value',
          text: ({ label: name, value }: ReferenceLoss) => `${name} = ${significant(value)}`,
          frameAnchor: 'right',
          textAnchor: 'end',
          dy: -7,
          fill: 'currentColor',
          fillOpacity: 0.75,
          stroke: 'var(--card)',
          strokeWidth: 4,
        }),
      ],
    },
    {
      title: `${label}: training loss`,
      description: `Loss over steps, from ${first.toFixed(3)} to ${last.toFixed(3)}.${expected
        .map((reference) => ` ${reference.label} = ${reference.value.toFixed(3)}.`)
        .join('')}`,
    },
  );
}

/** What the run's monitor scored while it trained, one line per run and protocol. */
function onlineScores(label: string, records: CheckpointRecord[]): Html | undefined {
  const protocols = OnlineProtocol.options.filter((protocol) =>
    records.some(({ history }) => history.some(({ online }) => online?.[protocol])),
  );
  const points = protocols.flatMap((protocol) =>
    pointsOf(records, ({ online }) => online?.[protocol]?.accuracy).map((point) => ({ ...point, protocol })),
  );
  if (points.length < 2) return undefined;
  const of = (protocol: OnlineProtocol) => points.filter((point) => point.protocol === protocol);
  const { task, labelsPerClass } = records.find(({ spec }) => spec.monitor)!.spec.monitor!;
  const labels = labelsPerClass === undefined ? 'all labels' : `${plural(labelsPerClass, 'label')} per class`;
  return chart(
    {
      width: 560,
      height: 150,
      marginLeft: 48,
      x: { label: 'step' },
      y: { label: `online accuracy, ${task}`, domain: [0, 1], grid: true, ticks: 3 },
      marks: protocols.flatMap((protocol, index) => [
        Plot.lineY(of(protocol), {
          x: 'step',
          y: 'value',
          z: 'run',
          stroke: index === 0 ? 'var(--accent)' : 'var(--accent-2)',
          strokeWidth: 1.6,
          marker: 'dot',
        }),
        Plot.text(of(protocol).slice(-1), {
          x: 'step',
          y: 'value',
          text: 'protocol',
          textAnchor: 'end',
          dy: index === 0 ? -9 : 11,
          fill: 'currentColor',
          stroke: 'var(--card)',
          strokeWidth: 4,
        }),
      ]),
    },
    {
      title: `${label}: online accuracy`,
      description: `Accuracy on validation images of ${task} while training, ${labels}.${protocols
        .map((protocol) => {
          const values = of(protocol).map(({ value }) => value);
          return ` ${protocol}: from ${values[0]!.toFixed(3)} to ${values.at(-1)!.toFixed(3)}.`;
        })
        .join('')}`,
    },
  );
}

function significant(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function range(values: number[]): number {
  return Math.max(...values) - Math.min(...values);
}
