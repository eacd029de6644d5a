import type { Matrix, SeededScores, TaskLabels } from '@medformer/evaluators';
import { getBlob, type ObjectStore, putBlob } from '@medformer/object-store';
import {
  decodeSafetensors,
  encodeSafetensors,
  type ImageRecord,
  MedformerError,
  type ScoreRow,
  type StoredTensor,
  type TaskKind,
} from '@medformer/schema';
import type { LabelledImages } from './labelled-images.js';

const ID_BYTES = 8;

/** The scores of one row as they are stored, with all that is needed to compute its metrics again. */
export interface RowScores {
  /** `[images, classes]` per seed. */
  seeded: SeededScores[];
  /** `[images]`, or `[images, labels]` of a multi-label task. */
  truth: { shape: number[]; data: Int32Array };
  /** Ids, in the order of the rows. */
  images: string[];
  /** Row of each image in its MedMNIST archive; absent where the images come from elsewhere. */
  index?: Int32Array;
}

/** The scores as 32-bit numbers: as they are stored they are scored, so that stored scores give the same metrics. */
export function rounded({ rows, columns, data }: Matrix): Matrix {
  return { rows, columns, data: Float32Array.from(data) };
}

/**
 * Stores a safetensors blob: `seed/<seed>` `[images, classes]`, `truth`, `image` (the images' ids as 8 bytes each) and, of
 * a MedMNIST archive, `index`.
 */
export function putScores(
  store: ObjectStore,
  seeded: readonly SeededScores[],
  { records, labels }: LabelledImages,
): Promise<NonNullable<ScoreRow['scores']>> {
  const tensors = new Map<string, StoredTensor>();
  for (const { seed, scores } of seeded) {
    const { rows, columns, data } = scores;
    tensors.set(`seed/${seed}`, { dtype: 'F32', shape: [rows, columns], data: data as Float32Array });
  }
  tensors.set('truth', truthOf(labels));
  const ids = Buffer.from(records.map(({ id }) => id).join(''), 'hex');
  tensors.set('image', { dtype: 'U8', shape: [records.length, ID_BYTES], data: ids });
  const index = archiveIndex(records);
  if (index) tensors.set('index', { dtype: 'I32', shape: [records.length], data: index });
  return putBlob(store, encodeSafetensors({ tensors, metadata: {} }));
}

/** @throws MedformerError FAILED_PRECONDITION for a report from before scores were stored */
export async function getScores(store: ObjectStore, { scores, label }: ScoreRow): Promise<RowScores> {
  if (!scores) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `row ${label}: its report holds no scores; evaluate again`,
    );
  }
  const bytes = await getBlob(store, scores.sha256);
  const { tensors } = decodeSafetensors(bytes, `scores ${scores.sha256}`);
  const { shape, data } = tensors.get('truth')!;
  const index = tensors.get('index')?.data;
  const ids = Buffer.from(tensors.get('image')!.data as Uint8Array);
  const seeded = [...tensors]
    .filter(([name]) => name.startsWith('seed/'))
    .map(([name, tensor]) => ({
      seed: Number(name.slice('seed/'.length)),
      scores: { rows: tensor.shape[0]!, columns: tensor.shape[1]!, data: tensor.data as Float32Array },
    }))
    .sort((x, y) => x.seed - y.seed);
  return {
    seeded,
    truth: { shape, data: Int32Array.from(data) },
    images: Array.from({ length: ids.length / ID_BYTES }, (_, at) =>
      ids.toString('hex', at * ID_BYTES, (at + 1) * ID_BYTES),
    ),
    ...(index ? { index: Int32Array.from(index) } : {}),
  };
}

/** What the images of stored scores truly are. */
export function labelsOf({ truth: { shape, data } }: Pick<RowScores, 'truth'>, kind: TaskKind): TaskLabels {
  if (kind !== 'multi-label') return { kind, classes: data };
  const [rows = 0, columns = 0] = shape;
  return { kind, flags: { rows, columns, data: Float64Array.from(data) } };
}

function truthOf(labels: TaskLabels): StoredTensor {
  if (labels.kind !== 'multi-label') {
    const data = Int32Array.from(labels.classes);
    return { dtype: 'I32', shape: [data.length], data };
  }
  const { rows, columns, data } = labels.flags;
  return { dtype: 'I32', shape: [rows, columns], data: Int32Array.from(data) };
}

/** The subjects of a MedMNIST archive are its rows: `test/17`. */
function archiveIndex(records: readonly ImageRecord[]): Int32Array | undefined {
  const rows = records.map(({ subject }) => /^(?:train|val|test)\/(\d+)$/.exec(subject)?.[1]);
  return rows.every((row) => row !== undefined) ? Int32Array.from(rows, Number) : undefined;
}
