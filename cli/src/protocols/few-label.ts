import { labelDrawText, type ScoreRow } from '@medformer/schema';
import { z } from 'zod';
import { checkEvaluationSpec } from '../commands/evaluate.js';
import type { Schedule } from '../schedule.js';
import { evaluate, type ScoredReport, testLines } from '../scores.js';
import type { Spec } from '../spec-file.js';
import {
  checkpointOf,
  fineTuned,
  PROTOCOL_PLAN,
  type ProtocolName,
  RunSettings,
  readProtocolPlan,
  type WeightSource,
} from './protocol-plan.js';
import { METRIC_TITLES, type PivotRow, scorePivot } from './score-pivot.js';

const FROM_SCRATCH = 'From scratch';

const FewLabelPlan = z
  .strictObject({
    ...PROTOCOL_PLAN,
    /** Percent of each class's labelled training images. */
    percents: z.array(z.number().gt(0).max(100)).min(1).default([1, 5, 10, 100]),
    /** Weights that are judged: a checkpoint, or a run that is trained first. */
    pretrained: z
      .array(
        z
          .strictObject({
            label: z.string().min(1),
            checkpoint: z.string().min(1).optional(),
            run: RunSettings.optional(),
          })
          .refine(({ checkpoint, run }) => (checkpoint === undefined) !== (run === undefined), {
            error: 'expected a checkpoint or a run',
          }),
      )
      .default([]),
    /** Also train from random weights, which pretraining has to beat. */
    fromScratch: z.boolean().default(true),
  })
  .refine(
    ({ protocols, fromScratch, fineTune }) => fineTune || !(fromScratch || protocols.includes('fine-tune')),
    {
      path: ['fineTune'],
      error: 'expected the supervised run of fine-tune and fromScratch',
    },
  )
  .refine(({ pretrained, fromScratch }) => pretrained.length > 0 || fromScratch, {
    path: ['pretrained'],
    error: 'expected weights to judge',
  });
export type FewLabelPlan = z.infer<typeof FewLabelPlan>;

export function readFewLabelPlan(
  file: string,
  overrides: readonly string[],
  options: Spec,
): Promise<FewLabelPlan> {
  return readProtocolPlan(FewLabelPlan, file, overrides, options);
}

/** A row of the evaluation, and what of the table it is. */
export interface FewLabelEntry {
  source: string;
  protocol: ProtocolName;
  percent: number;
  checkpoints: string[];
}

/** Trains what there is to be trained and scores everything in one evaluation: every checkpoint embeds each image once. */
export async function runFewLabel(
  schedule: Schedule,
  plan: FewLabelPlan,
): Promise<ScoredReport & { entries: FewLabelEntry[] }> {
  const { dataset, dimensions } = plan;
  const sources: { label: string; pretrained?: Promise<string | undefined> }[] = plan.pretrained.map(
    ({ label, checkpoint, run }) => {
      const source: WeightSource =
        checkpoint === undefined ? { label, run: { ...run, dataset, dimensions } } : { label, checkpoint };
      return { label, pretrained: checkpointOf(schedule, source) };
    },
  );
  if (plan.fromScratch) sources.push({ label: FROM_SCRATCH });
  const wanted = plan.percents.flatMap((percent) =>
    sources.flatMap(({ label, pretrained }) =>
      (pretrained ? plan.protocols : (['fine-tune'] as const)).map((protocol) => ({
        of: { source: label, protocol, percent },
        pretrained,
      })),
    ),
  );
  const entries = (
    await schedule.all(
      wanted.map(async ({ of, pretrained }) => {
        const checkpoints = await judgedOf(schedule, plan, of, pretrained);
        return checkpoints && { ...of, checkpoints };
      }),
    )
  ).filter((entry) => entry !== undefined);
  if (entries.length === 0) schedule.throwFailures();
  const spec = fewLabelEvaluation(plan, entries);
  checkEvaluationSpec(spec, 'few labels');
  return { ...(await evaluate(schedule.context, spec)), entries };
}

/** The checkpoints of an entry; undefined where one is missing that failed. */
async function judgedOf(
  schedule: Schedule,
  plan: FewLabelPlan,
  { source, protocol, percent }: Omit<FewLabelEntry, 'checkpoints'>,
  pretrained: Promise<string | undefined> | undefined,
): Promise<string[] | undefined> {
  const checkpoint = await pretrained;
  if (pretrained && checkpoint === undefined) return undefined;
  if (protocol !== 'fine-tune') return [checkpoint!];
  const of = { draw: drawOf(percent), ...(checkpoint === undefined ? {} : { checkpoint }) };
  return fineTuned(schedule, plan, `${source}, ${labelDrawText(of.draw)}`, of);
}

/** Fine-tuned weights are tested against those from scratch, at every share of the labels. */
export function fewLabelEvaluation(plan: FewLabelPlan, entries: readonly FewLabelEntry[]): Spec {
  const { title, dataset, task, dimensions, seeds, intervals } = plan;
  const scratch = (percent: number) =>
    entries.findIndex((entry) => entry.source === FROM_SCRATCH && entry.percent === percent);
  return {
    title: title ?? `${dataset}, ${task}: few labels`,
    dataset,
    task,
    dimensions,
    seeds,
    entries: entries.map(({ source, protocol, percent, checkpoints }) => ({
      label: `${source}, ${percent} %`,
      protocol: protocol === 'fine-tune' ? 'head' : protocol,
      checkpoints,
      ...(protocol === 'fine-tune' ? {} : drawOf(percent)),
    })),
    ...(intervals === undefined ? {} : { intervals }),
    compare: entries.flatMap(({ source, protocol, percent }, at) =>
      protocol === 'fine-tune' && source !== FROM_SCRATCH && scratch(percent) >= 0
        ? [[at, scratch(percent)]]
        : [],
    ),
  };
}

/** A row per weights and protocol, a column per share of the labels. */
export function fewLabelTables(
  { title, dataset, task, percents }: FewLabelPlan,
  { record, entries }: Pick<ScoredReport, 'record'> & { entries: readonly FewLabelEntry[] },
): string {
  const rows = new Map<string, PivotRow>();
  for (const [at, { source, protocol, percent }] of entries.entries()) {
    const key = `${source} ${protocol}`;
    const row = rows.get(key) ?? {
      head: [source, protocol],
      cells: new Array<ScoreRow | undefined>(percents.length),
    };
    row.cells[percents.indexOf(percent)] = record.rows[at];
    rows.set(key, row);
  }
  const synthetic = record.synthetic ? ' (synthetic phantom, not patients)' : '';
  return [
    title ?? 'Few labels',
    `${dataset}${synthetic} · task ${task}, ${record.classes.length} classes · ${record.testImages} test images of ${record.testSubjects} subjects · by the share of each class's training labels`,
    ...(['auc', 'accuracy'] as const).flatMap((metric) => [
      METRIC_TITLES[metric],
      scorePivot(
        metric,
        ['weights', 'protocol'],
        percents.map((percent) => `${percent} %`),
        [...rows.values()],
      ),
    ]),
    ...testLines(record),
  ].join('\n');
}

function drawOf(percent: number): { labelFraction?: number } {
  return percent === 100 ? {} : { labelFraction: percent / 100 };
}
