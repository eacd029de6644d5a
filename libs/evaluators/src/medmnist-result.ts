import { MedformerError } from '@medformer/schema';
import type { Matrix } from './matrix.js';

/** What the name of a MedMNIST result file says. */
export interface MedmnistResult {
  /** The set, e.g. `pathmnist`. */
  flag: string;
  /** Edge of its images. */
  size: number;
  split: 'train' | 'val' | 'test';
  auc: number;
  accuracy: number;
  /** Which of several results this is: words without `.` and `@`, at which medmnist cuts the name. */
  run: string;
}

/** `{flag}{_size}_{split}_[AUC]{auc:.3f}_[ACC]{acc:.3f}@{run}.csv` (medmnist/evaluator.py). */
export function medmnistFileName({ flag, size, split, auc, accuracy, run }: MedmnistResult): string {
  if (!/^[A-Za-z0-9_-]+$/.test(run)) {
    throw new MedformerError('INVALID_ARGUMENT', `run: expected letters, digits, - and _, found ${run}`);
  }
  const ofSize = size === 28 ? '' : `_${size}`;
  return `${flag}${ofSize}_${split}_[AUC]${threeDecimals(auc)}_[ACC]${threeDecimals(accuracy)}@${run}.csv`;
}

/**
 * The scores as medmnist writes them: `index,score,...` per image, without a header, by ascending index.
 * @param scores `[images, classes]`
 * @param index row of each image in the set's archive
 * @throws MedformerError FAILED_PRECONDITION when the rows are not all of 0 to images - 1
 */
export function medmnistCsv({ rows, columns, data }: Matrix, index: ArrayLike<number>): string {
  const rowOf = new Int32Array(rows).fill(-1);
  for (let row = 0; row < rows; row += 1) {
    if (index[row]! < rows) rowOf[index[row]!] = row;
  }
  const missing = rowOf.indexOf(-1);
  if (missing >= 0 || index.length !== rows) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `MedMNIST result: expected a score for every image of the split, image ${missing} has none`,
    );
  }
  let csv = '';
  rowOf.forEach((row, image) => {
    const scores = Array.from(data.subarray(row * columns, (row + 1) * columns), pythonFloat);
    csv += `${image},${scores.join(',')}\n`;
  });
  return csv;
}

/** Python's `format(value, ".3f")`: exact halves go to the even digit, where `toFixed` rounds them up. */
function threeDecimals(value: number): string {
  const thousandths = value * 1000;
  const below = Math.floor(thousandths);
  // Only multiples of 1/16 are exact halves of a thousandth in binary.
  const isHalf = thousandths - below === 0.5 && Number.isInteger(value * 16);
  return isHalf && below % 2 === 0 ? (below / 1000).toFixed(3) : value.toFixed(3);
}

/** Python's `repr` of a double, so that the file is the one that medmnist itself would write. */
function pythonFloat(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return `${value}.0`;
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e16) return String(value);
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}
