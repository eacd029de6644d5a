import { LABEL_DRAW, type LabelDraw, oneLabelDraw, Slug } from '@medformer/schema';
import { z } from 'zod';
import { checkEvaluationSpec } from '../commands/evaluate.js';
import type { Schedule } from '../schedule.js';
import { evaluate, type ScoredReport } from '../scores.js';
import type { Spec } from '../spec-file.js';
import {
  checkpointOf,
  fineTuned,
  PROTOCOL_PLAN,
  type ProtocolName,
  RunSettings,
  readProtocolPlan,
} from './protocol-plan.js';
import { METRIC_TITLES, type PivotRow, scorePivot } from './score-pivot.js';

const FROM_SCRATCH = 'from scratch';
const ALL = 'all of them';

const TransferPlan = z
  .strictObject({
    ...PROTOCOL_PLAN,
    ...LABEL_DRAW,
    /** Each is pretrained on alone, and tested. */
    modalities: z.array(Slug).min(2),
    /** The run on one modality's images. */
    pretrain: RunSettings,
    /** Also pretrain on all modalities together. */
    together: z.boolean().default(true),
  })
  .refine(oneLabelDraw.holds, { path: ['labelFraction'], error: oneLabelDraw.error })
  .refine(({ protocols, fineTune }) => fineTune || !protocols.includes('fine-tune'), {
    path: ['fineTune'],
    error: 'expected the supervised run of protocol fine-tune',
  });
export type TransferPlan = z.infer<typeof TransferPlan>;

export function readTransferPlan(
  file: string,
  overrides: readonly string[],
  options: Spec,
): Promise<TransferPlan> {
  return readProtocolPlan(TransferPlan, file, overrides, options);
}

/** Pretrained on `source`, labels of `labels`: a row of the evaluation on a tested modality. */
export interface TransferEntry {
  source: string;
  protocol: ProtocolName;
  /** The tested modality's own, or those of the pretraining's: then no label of the tested one is known. */
  labels: 'tested' | 'pretrained';
  checkpoints: string[];
}

export interface TransferResult extends ScoredReport {
  tested: string;
  entries: TransferEntry[];
}

/** Pretrains on every modality alone, then scores all of it on each: one evaluation per tested modality. */
export async function runTransfer(schedule: Schedule, plan: TransferPlan): Promise<TransferResult[]> {
  const sources = await schedule.all(pretrained(schedule, plan));
  const there = sources.filter((source) => source !== undefined);
  const results = await schedule.all(
    plan.modalities.map((tested) => scoredOn(schedule, plan, there, tested)),
  );
  const scored = results.filter((result) => result !== undefined);
  if (scored.length === 0) schedule.throwFailures();
  return scored;
}

/** Undefined where nothing could be scored. */
async function scoredOn(
  schedule: Schedule,
  plan: TransferPlan,
  sources: readonly PretrainedSource[],
  tested: string,
): Promise<TransferResult | undefined> {
  const tuned = plan.protocols.includes('fine-tune')
    ? [...sources, { label: FROM_SCRATCH, checkpoint: undefined }]
    : [];
  const trained = await Promise.all(
    tuned.map(async ({ label, checkpoint }): Promise<TransferEntry[]> => {
      const of = {
        draw: drawOf(plan),
        modalities: [tested],
        ...(checkpoint === undefined ? {} : { checkpoint }),
      };
      const checkpoints = await fineTuned(schedule, plan, `${label}, then ${tested}`, of);
      return checkpoints ? [{ source: label, protocol: 'fine-tune', labels: 'tested', checkpoints }] : [];
    }),
  );
  const entries = [...frozenEntries(plan, sources, tested), ...trained.flat()];
  if (entries.length === 0) return undefined;
  return schedule.attempt(`test on ${tested}`, async () => {
    const spec = transferEvaluation(plan, tested, entries);
    checkEvaluationSpec(spec, `transfer to ${tested}`);
    return { tested, entries, ...(await schedule.work(() => evaluate(schedule.context, spec))) };
  });
}

interface PretrainedSource {
  label: string;
  checkpoint: string;
}

function pretrained(
  schedule: Schedule,
  { dataset, dimensions, modalities, pretrain, together }: TransferPlan,
): Promise<PretrainedSource | undefined>[] {
  const subsets = modalities.map((modality) => ({ label: modality, of: [modality] }));
  return [...subsets, ...(together ? [{ label: ALL, of: modalities }] : [])].map(async ({ label, of }) => {
    const run = { ...pretrain, dataset, dimensions, modalities: of };
    const checkpoint = await checkpointOf(schedule, { label: `pretrained on ${label}`, run });
    return checkpoint === undefined ? undefined : { label, checkpoint };
  });
}

function frozenEntries(
  { protocols }: TransferPlan,
  sources: readonly { label: string; checkpoint: string }[],
  tested: string,
): TransferEntry[] {
  return protocols
    .filter((protocol) => protocol !== 'fine-tune')
    .flatMap((protocol) =>
      sources.flatMap(({ label, checkpoint }): TransferEntry[] => {
        const entry = { source: label, protocol, checkpoints: [checkpoint] };
        const own = { ...entry, labels: 'tested' as const };
        return label === tested || label === ALL ? [own] : [own, { ...entry, labels: 'pretrained' }];
      }),
    );
}

export function transferEvaluation(
  plan: TransferPlan,
  tested: string,
  entries: readonly TransferEntry[],
): Spec {
  const { title, dataset, task, dimensions, seeds, intervals } = plan;
  return {
    title: `${title ?? `${dataset}, ${task}`}: transfer to ${tested}`,
    dataset,
    task,
    dimensions,
    seeds,
    modalities: [tested],
    ...drawOf(plan),
    entries: entries.map(({ source, protocol, labels, checkpoints }) => ({
      label: labels === 'tested' ? source : `${source}, its labels`,
      protocol: protocol === 'fine-tune' ? 'head' : protocol,
      checkpoints,
      ...(protocol === 'fine-tune' ? {} : { labelModalities: [labels === 'tested' ? tested : source] }),
    })),
    ...(intervals === undefined ? {} : { intervals }),
  };
}

/** A row per protocol, pretraining and origin of the labels, a column per tested modality. */
export function transferTables(plan: TransferPlan, results: readonly TransferResult[]): string {
  const { title, dataset, task, modalities } = plan;
  const rows = new Map<string, PivotRow>();
  for (const { tested, entries, record } of results) {
    for (const [at, { source, protocol, labels }] of entries.entries()) {
      const key = `${protocol} ${labels} ${source}`;
      const origin = labels === 'tested' ? 'tested modality' : source;
      const row = rows.get(key) ?? { head: [protocol, source, origin], cells: new Array(modalities.length) };
      row.cells[modalities.indexOf(tested)] = record.rows[at];
      rows.set(key, row);
    }
  }
  const { record } = results[0]!;
  const synthetic = record.synthetic ? ' (synthetic phantom, not patients)' : '';
  return [
    title ?? 'Transfer between modalities',
    `${dataset}${synthetic} · task ${task}, ${record.classes.length} classes · columns: test images of one modality`,
    ...(['auc', 'accuracy'] as const).flatMap((metric) => [
      METRIC_TITLES[metric],
      scorePivot(metric, ['protocol', 'pretrained on', 'labels of'], modalities, [...rows.values()]),
    ]),
  ].join('\n');
}

function drawOf({ labelsPerClass, labelFraction }: LabelDraw): LabelDraw {
  return {
    ...(labelsPerClass === undefined ? {} : { labelsPerClass }),
    ...(labelFraction === undefined ? {} : { labelFraction }),
  };
}
