import { MedformerError } from '@medformer/schema';

/** A dense row-major table of numbers, `[rows, columns]`. */
export interface Matrix {
  rows: number;
  columns: number;
  data: Float32Array | Float64Array;
}

/** The rows in the given order, copied. */
export function takeRows({ columns, data }: Matrix, rows: ArrayLike<number>): Matrix {
  const taken = new (data.constructor as Float64ArrayConstructor)(rows.length * columns);
  for (let row = 0; row < rows.length; row += 1) {
    const begin = (rows[row] as number) * columns;
    taken.set(data.subarray(begin, begin + columns), row * columns);
  }
  return { rows: rows.length, columns, data: taken };
}

/** One column as doubles, `[rows]`. */
export function columnOf({ rows, columns, data }: Matrix, column: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) => data[row * columns + column] as number);
}

/** The matrix whose rows are the given lists. */
export function matrixOf(rows: readonly ArrayLike<number>[]): Matrix {
  const columns = rows[0]?.length ?? 0;
  const data = new Float64Array(rows.length * columns);
  rows.forEach((row, index) => {
    if (row.length !== columns) {
      throw new MedformerError(
        'INVALID_ARGUMENT',
        `matrix: row ${index}: expected ${columns} values, found ${row.length}`,
      );
    }
    data.set(row, index * columns);
  });
  return { rows: rows.length, columns, data };
}
