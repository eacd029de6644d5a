import { MedformerError } from '@medformer/schema';
import { EVD, Matrix } from 'ml-matrix';

/**
 * Frechet distance between the Gaussians that two sets of embeddings have the mean and covariance of (Heusel et al. 2017,
 * equation 6; covariances divided by n - 1): |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2), a squared distance.
 *
 * The trace of the root is taken from C1^1/2 C2 C1^1/2, which is symmetric and has the eigenvalues of C1 C2, so that no
 * general root is needed and singular covariances do no harm.
 *
 * @param a and b have two embeddings at least, all of one width
 * @throws MedformerError INVALID_ARGUMENT otherwise
 */
export function frechetDistance(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  const [first, second] = [gaussianOf(a), gaussianOf(b)];
  if (first.mean.length !== second.mean.length)
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `Frechet distance: embeddings: expected one width, found ${first.mean.length} and ${second.mean.length}`,
    );
  const apart = first.mean.reduce((sum, value, at) => sum + (value - second.mean[at]!) ** 2, 0);
  const root = symmetricRoot(first.covariance);
  const product = root.mmul(second.covariance).mmul(root);
  const shared = eigen(product).realEigenvalues.reduce(
    (sum, value) => sum + Math.sqrt(Math.max(0, value)),
    0,
  );
  return Math.max(0, apart + first.covariance.trace() + second.covariance.trace() - 2 * shared);
}

function gaussianOf(embeddings: readonly ArrayLike<number>[]): { mean: number[]; covariance: Matrix } {
  const width = embeddings[0]?.length ?? 0;
  if (embeddings.length < 2 || width === 0 || embeddings.some(({ length }) => length !== width))
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `Frechet distance: embeddings: expected at least 2 of one width, found ${embeddings.length}`,
    );
  const rows = new Matrix(embeddings.map((embedding) => Array.from(embedding)));
  const mean = rows.mean('column');
  const centred = rows.subRowVector(mean);
  return {
    mean,
    covariance: centred
      .transpose()
      .mmul(centred)
      .div(embeddings.length - 1),
  };
}

function symmetricRoot(matrix: Matrix): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = eigen(matrix);
  const roots = Matrix.diag(realEigenvalues.map((value) => Math.sqrt(Math.max(0, value))));
  return eigenvectorMatrix.mmul(roots).mmul(eigenvectorMatrix.transpose());
}

function eigen(matrix: Matrix): EVD {
  return new EVD(matrix, { assumeSymmetric: true });
}
