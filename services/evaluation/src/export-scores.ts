import { accuracy, auc, medmnistCsv, medmnistFileName } from '@medformer/evaluators';
import { MEDMNIST_SETS } from '@medformer/imaging';
import { getBlob, type ObjectStore } from '@medformer/object-store';
import { type DatasetManifest, MedformerError, type ScoreReport, type ScoreRow } from '@medformer/schema';
import { getScores, labelsOf } from './row-scores.js';

export interface ScoresFile {
  name: string;
  bytes: Uint8Array;
}

/** The stored blobs of the rows, named by their place and label. */
export async function* safetensorsFiles(
  store: ObjectStore,
  rows: readonly [at: number, row: ScoreRow][],
): AsyncIterable<ScoresFile> {
  for (const [at, row] of rows) {
    if (!row.scores) throw withoutScores(row);
    yield { name: `${runName(at, row)}.safetensors`, bytes: await getBlob(store, row.scores.sha256) };
  }
}

/**
 * MedMNIST's result files of the rows, one per seed. A metric that medmnist gives as NaN, for a class that the split lacks,
 * is here that of the classes that it has.
 * @throws MedformerError FAILED_PRECONDITION for a data set that is in the form of none of the 18
 */
export async function* medmnistFiles(
  store: ObjectStore,
  { spec: { task, split }, taskKind }: ScoreReport,
  manifest: DatasetManifest,
  rows: readonly [at: number, row: ScoreRow][],
): AsyncIterable<ScoresFile> {
  const set = MEDMNIST_SETS[task];
  const edges = manifest.census.shapes.map(({ shape }) => shape[0]!);
  if (manifest.source.format !== 'medmnist-npz' || !set || set.kind !== taskKind || edges.length !== 1) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `dataset ${manifest.name}, task ${task}: expected one of the 18 MedMNIST sets`,
    );
  }
  for (const [at, row] of rows) {
    const { seeded, truth, index } = await getScores(store, row);
    if (!index) throw withoutScores(row);
    const labels = labelsOf({ truth }, set.kind);
    for (const { seed, scores } of seeded) {
      const name = medmnistFileName({
        flag: task,
        size: edges[0]!,
        split,
        auc: auc(scores, labels),
        accuracy: accuracy(scores, labels),
        run: `${runName(at, row)}-seed-${seed}`,
      });
      yield { name, bytes: Buffer.from(medmnistCsv(scores, index)) };
    }
  }
}

/** What tells the rows of a report apart in a file name. */
function runName(at: number, { label, protocol }: ScoreRow): string {
  const words = label.match(/[A-Za-z0-9]+/g)?.join('-') ?? 'row';
  return `${at}-${words}-${protocol}`;
}

function withoutScores({ label }: ScoreRow): MedformerError {
  return new MedformerError(
    'FAILED_PRECONDITION',
    `row ${label}: its report holds no scores; evaluate again`,
  );
}
