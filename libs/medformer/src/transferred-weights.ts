import type { CheckpointRecord, LoadReport, StoredTensor } from '@medformer/schema';
import { type CodeKeys, codeRows, SHARED_CODE } from './latent-codes.js';

/** What belongs to a training method or to one task: it stays behind, and a run makes its own. */
const OWN = ['method/', 'output/heads/', 'output/task-queries/'];

/** What a checkpoint gives to a model with other codes. */
export interface Transfer {
  weights: Map<string, StoredTensor>;
  /** Rows of tables of codes that are of keys the checkpoint has none for, by the table's name. */
  newRows: ReadonlyMap<string, readonly number[]>;
  reshaped: LoadReport['reshaped'];
  leftBehind: LoadReport['leftBehind'];
}

/**
 * What a model with other codes takes over from a checkpoint: input Adaptformer, body and the shared output end.
 * Codes go by name, not by row; a key that the checkpoint has no code for starts from its shared code. Nothing else is
 * reshaped: position codes are functions of the image's size, and every other shape follows from the model's.
 */
export function transferredWeights(
  { codes: trained }: Pick<CheckpointRecord, 'codes'>,
  weights: ReadonlyMap<string, StoredTensor>,
  codes: CodeKeys,
  /** Tasks whose heads come along. */
  tasks: readonly string[] = [],
): Transfer {
  const kept = (name: string) => tasks.some((task) => ownOf(task).some((own) => name.startsWith(own)));
  const isOwn = ([name]: [string, unknown]) => belongsToRun(name) && !kept(name);
  const newRows = new Map<string, number[]>();
  const transferred = new Map([...weights].filter((entry) => !isOwn(entry)));
  const reshaped: Transfer['reshaped'] = [];
  for (const [table, from, to] of [
    ['input/modality-codes', trained.modalities, codes.modalities],
    ['input/body-part-codes', trained.bodyParts, codes.bodyParts],
  ] as const) {
    const stored = transferred.get(table);
    if (!stored || from.join() === to.join()) continue;
    const { rows } = codeRows(from, to);
    const taken = takeRows(stored, [SHARED_CODE, ...rows]);
    newRows.set(
      table,
      [...rows].flatMap((row, at) => (row === SHARED_CODE ? [at + 1] : [])),
    );
    transferred.set(table, taken);
    reshaped.push({ name: table, from: stored.shape, to: taken.shape });
  }
  const leftBehind = [...weights].filter(isOwn).map(([name, { shape }]) => ({ name, shape }));
  return { weights: transferred, newRows, reshaped, leftBehind };
}

/**
 * What came of it in a model with these parameters.
 * @param parameters every name and shape, as `Parameters.entries` gives them
 */
export function loadReport(
  checkpoint: string,
  { weights, reshaped, leftBehind }: Transfer,
  parameters: readonly (readonly [string, { shape: number[] }])[],
): LoadReport {
  const report: LoadReport = {
    checkpoint,
    matched: [],
    reshaped: [],
    missing: [],
    unexpected: [],
    misshapen: [],
    fresh: [],
    leftBehind,
  };
  for (const [name, { shape }] of parameters) {
    const found = weights.get(name);
    const rule = reshaped.find((change) => change.name === name);
    if (belongsToRun(name) && !found) report.fresh.push({ name, shape });
    else if (!found) report.missing.push({ name, shape });
    else if (found.shape.join() !== shape.join() || found.dtype !== 'F32')
      report.misshapen.push({ name, from: rule?.from ?? found.shape, to: shape });
    else if (rule) report.reshaped.push(rule);
    else report.matched.push({ name, shape });
  }
  const known = new Set(parameters.map(([name]) => name));
  for (const [name, { shape }] of weights) if (!known.has(name)) report.unexpected.push({ name, shape });
  return report;
}

function ownOf(task: string): string[] {
  return [`output/heads/${task}/`, `output/task-queries/${task}`];
}

function belongsToRun(name: string): boolean {
  return OWN.some((own) => name.startsWith(own));
}

function takeRows({ dtype, shape, data }: StoredTensor, rows: number[]): StoredTensor {
  const width = shape[1]!;
  const taken = new Float32Array(rows.length * width);
  for (const [to, from] of rows.entries())
    taken.set(data.subarray(from * width, (from + 1) * width), to * width);
  return { dtype, shape: [rows.length, width], data: taken };
}
