import { resolveDataset, subjectsOf } from '@medformer/dataset';
import { compareRows, subjectUnits } from '@medformer/evaluators';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { BootstrapSpec, badInput, MedformerError, type ScoreReport, type ScoreRow } from '@medformer/schema';
import type { EvaluationCalls } from './evaluation-calls.js';
import { getReport } from './report-store.js';
import { getScores, labelsOf, type RowScores } from './row-scores.js';

interface Scored {
  report: ScoreReport;
  row: ScoreRow;
  scores: RowScores;
  name: string;
}

/**
 * Tests rows of stored reports against the first of them. They may come from any evaluations, as long as these scored the
 * same images of one task.
 * @throws MedformerError INVALID_ARGUMENT for fewer than two rows or a position that a report does not have; NOT_FOUND for a
 *   report or data set that is gone; FAILED_PRECONDITION for rows of other images, labels or tasks, or without stored scores
 */
export async function compareScores(
  { store: storeConfig, rows: asked }: EvaluationCalls['compare']['input'],
  { signal }: { signal: AbortSignal },
): Promise<EvaluationCalls['compare']['output']> {
  const store = await openObjectStore(storeConfig);
  const scored: Scored[] = [];
  for (const [at, named] of asked.entries()) scored.push(await load(store, named, `rows.${at}`));
  const [first, ...others] = scored;
  if (!first || others.length === 0)
    throw badInput({ file: 'request', field: 'rows', expected: 'two at least', found: `${asked.length}` });
  for (const other of others) expectSameImages(first, other);

  const { report, scores } = first;
  const { manifest } = await resolveDataset(store, report.spec.dataset);
  const subjects = await subjectsOf(store, manifest, new Set(scores.images), signal);
  const units = subjectUnits(scores.images.map((image) => subjects.get(image)!));
  const labels = labelsOf(scores, report.taskKind ?? 'multi-class');
  const bootstrap = report.spec.intervals ?? BootstrapSpec.parse({});
  const tests = others.flatMap((other, at) =>
    compareRows(scores.seeded, other.scores.seeded, labels, units, bootstrap).map((test) => ({
      ...test,
      first: 0,
      second: at + 1,
    })),
  );
  return {
    rows: scored.map(({ row: { label, protocol, checkpoints, auc, accuracy } }) => ({
      ...{ label, protocol, checkpoints },
      ...{ auc: auc.mean, accuracy: accuracy.mean },
    })),
    tests,
    images: scores.images.length,
    subjects: units.count,
  };
}

async function load(
  store: ObjectStore,
  { report: address, row: at }: { report: string; row: number },
  field: string,
): Promise<Scored> {
  const { report } = await getReport(store, address);
  const row = report.rows[at];
  if (!row) {
    const expected = `a position below ${report.rows.length}`;
    throw badInput({ file: 'request', field: `${field}.row`, expected, found: `${at}` });
  }
  return {
    report,
    row,
    scores: await getScores(store, row),
    name: `${field} (${row.label}, ${row.protocol})`,
  };
}

/** Images are told apart by their content: two data sets that hold the same test images may be compared. */
function expectSameImages(first: Scored, other: Scored): void {
  const refuse = (what: string) =>
    new MedformerError(
      'FAILED_PRECONDITION',
      `${other.name}: expected ${what} of ${first.name}, found others; only scores of the same images can be compared`,
    );
  if (other.report.spec.task !== first.report.spec.task) throw refuse('the task');
  if (other.report.classes.join() !== first.report.classes.join()) throw refuse('the classes');
  if (other.scores.images.join() !== first.scores.images.join()) throw refuse('the images');
  if (other.scores.truth.data.join() !== first.scores.truth.data.join()) throw refuse('the labels');
}
