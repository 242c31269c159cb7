/** Eigenvalues of a symmetric matrix with their vectors, each vector a row of `vectors`, largest value first. */
export interface Eigenpairs {
  readonly values: Float64Array;
  readonly vectors: readonly Float64Array[];
}

const MOST_SWEEPS = 30;

/**
 * All eigenpairs of a small symmetric matrix, by Jacobi rotations (Golub and Van Loan, Matrix Computations, section 8.5).
 *
 * @param matrix row after row, size × size; it is not changed
 */
export function symmetricEigenpairs(matrix: Float64Array, size: number): Eigenpairs {
  const rows = Array.from({ length: size }, (_, i) => matrix.slice(i * size, (i + 1) * size));
  const vectors = Array.from({ length: size }, (_, i) =>
    Float64Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)),
  );
  let scale = 1e-300;
  for (const value of matrix) scale = Math.max(scale, Math.abs(value));
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let largest = 0;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const off = Math.abs(rows[p]?.[q] ?? 0);
        largest = Math.max(largest, off);
        if (off > 1e-15 * scale) rotatePair(rows, vectors, p, q);
      }
    }
    if (largest <= 1e-13 * scale) break;
  }
  const values = Float64Array.from(rows, (row, i) => row[i] ?? 0);
  const order = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
  return {
    values: Float64Array.from(order, (at) => values[at] ?? 0),
    vectors: order.map((at) => vectors[at] ?? new Float64Array(size)),
  };
}

/** Makes a[p][q] zero; `vectors` has the eigenvectors in its rows. */
function rotatePair(a: readonly Float64Array[], vectors: readonly Float64Array[], p: number, q: number): void {
  const [rowP, rowQ] = [a[p], a[q]];
  if (rowP === undefined || rowQ === undefined) return;
  const theta = ((rowQ[q] ?? 0) - (rowP[p] ?? 0)) / (2 * (rowP[q] ?? 0));
  const tangent = Math.sign(theta || 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  const mix = (left: Float64Array, right: Float64Array): void => {
    for (let i = 0; i < left.length; i++) {
      const [x, y] = [left[i] ?? 0, right[i] ?? 0];
      left[i] = cosine * x - sine * y;
      right[i] = sine * x + cosine * y;
    }
  };
  mix(rowP, rowQ);
  for (const row of a) {
    const [x, y] = [row[p] ?? 0, row[q] ?? 0];
    row[p] = cosine * x - sine * y;
    row[q] = sine * x + cosine * y;
  }
  const [vectorP, vectorQ] = [vectors[p], vectors[q]];
  if (vectorP !== undefined && vectorQ !== undefined) mix(vectorP, vectorQ);
}
