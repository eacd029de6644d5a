import { Matrix as DenseMatrix, EigenvalueDecomposition } from 'ml-matrix';
import type { Matrix } from './matrix.js';
import { normalisedRows } from './weighted-knn.js';

/**
 * Mean over features of the standard deviation of the L2-normalised rows, times sqrt(width): near 1 for embeddings
 * spread evenly over the sphere, 0 when all images collapse to one point (SimSiam, Chen and He 2021, section 4.1).
 * @param embeddings `[images, width]`
 */
export function embeddingStd(embeddings: Matrix): number {
  const { rows, columns } = embeddings;
  const unit = { rows, columns, data: normalisedRows(embeddings) };
  const mean = new Float64Array(columns);
  unit.data.forEach((value, at) => {
    mean[at % columns]! += value / rows;
  });
  const squares = new Float64Array(columns);
  unit.data.forEach((value, at) => {
    squares[at % columns]! += (value - mean[at % columns]!) ** 2;
  });
  return squares.reduce((sum, square) => sum + Math.sqrt(square / rows), 0) / Math.sqrt(columns);
}

/**
 * The exponential of the entropy of the normalised singular values (Roy and Vetterli 2007; RankMe, Garrido et al.
 * 2023): how many directions the embeddings use, 1 to min(images, width). Not centred, as in RankMe.
 * @param embeddings `[images, width]`
 */
export function effectiveRank({ rows, columns, data }: Matrix): number {
  const gram = Array.from({ length: columns }, () => new Float64Array(columns));
  for (let row = 0; row < rows; row += 1) {
    const values = data.subarray(row * columns, (row + 1) * columns);
    for (let i = 0; i < columns; i += 1) {
      const line = gram[i]!;
      const value = values[i]!;
      for (let j = 0; j < columns; j += 1) line[j]! += value * values[j]!;
    }
  }
  const eigenvalues = new EigenvalueDecomposition(new DenseMatrix(gram), { assumeSymmetric: true })
    .realEigenvalues;
  const singular = eigenvalues.map((value) => Math.sqrt(Math.max(0, value)));
  const total = singular.reduce((sum, value) => sum + value, 0);
  if (total === 0) return 0;
  const entropy = singular.reduce((sum, value) => {
    const share = value / total;
    return share > 0 ? sum - share * Math.log(share) : sum;
  }, 0);
  return Math.exp(entropy);
}
