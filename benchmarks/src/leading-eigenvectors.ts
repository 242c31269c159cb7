/** The largest eigenvalues of a symmetric matrix with their vectors, each vector a row of `vectors`. */
export interface Eigenpairs {
  readonly values: Float64Array;
  readonly vectors: readonly Float64Array[];
}

/** Steps beyond the wanted pairs. */
const EXTRA_STEPS = 80;

/**
 * The leading eigenpairs of a symmetric matrix by Lanczos steps with full reorthogonalisation (Golub and Van Loan, Matrix
 * Computations, section 10.1).
 *
 * @param matrix row after row, size × size
 * @param wanted how many pairs
 */
export function leadingEigenpairs(matrix: Float32Array, size: number, wanted: number): Eigenpairs {
  const steps = Math.min(size, wanted + EXTRA_STEPS);
  const basis: Float64Array[] = [];
  const diagonal: number[] = [];
  const beside: number[] = [];
  // Any start that is not orthogonal to an eigenvector will do.
  let next: Float64Array = Float64Array.from({ length: size }, (_, i) => 1 + Math.sin(i));
  for (let step = 0; step < steps; step++) {
    const length = Math.sqrt(dot(next, next));
    if (step > 0) beside.push(length);
    const vector = next.map((value) => value / length);
    basis.push(vector);
    next = times(matrix, size, vector);
    diagonal.push(dot(next, vector));
    // Twice is enough (Kahan).
    for (let pass = 0; pass < 2; pass++) {
      for (const other of basis) addTo(next, other, -dot(next, other));
    }
  }
  const small = symmetricEigenpairs(diagonal, beside);
  const order = [...small.values.keys()].sort((a, b) => (small.values[b] ?? 0) - (small.values[a] ?? 0));
  const chosen = order.slice(0, wanted);
  return {
    values: Float64Array.from(chosen, (at) => small.values[at] ?? 0),
    vectors: chosen.map((at) => {
      const vector = new Float64Array(size);
      basis.forEach((own, step) => {
        addTo(vector, own, small.vectors[at]?.[step] ?? 0);
      });
      return vector;
    }),
  };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

function addTo(target: Float64Array, vector: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) + factor * (vector[i] ?? 0);
}

function times(matrix: Float32Array, size: number, vector: Float64Array): Float64Array {
  const out = new Float64Array(size);
  for (let row = 0; row < size; row++) {
    let sum = 0;
    const start = row * size;
    for (let column = 0; column < size; column++) sum += (matrix[start + column] ?? 0) * (vector[column] ?? 0);
    out[row] = sum;
  }
  return out;
}

/** All eigenpairs of a small tridiagonal matrix, by Jacobi rotations (Golub and Van Loan, section 8.5). */
function symmetricEigenpairs(diagonal: readonly number[], beside: readonly number[]): Eigenpairs {
  const size = diagonal.length;
  const a = Array.from({ length: size }, (_, i) =>
    Float64Array.from({ length: size }, (_, j) =>
      i === j ? (diagonal[i] ?? 0) : Math.abs(i - j) === 1 ? (beside[Math.min(i, j)] ?? 0) : 0,
    ),
  );
  const vectors = Array.from({ length: size }, (_, i) =>
    Float64Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)),
  );
  const scale = Math.max(...diagonal.map(Math.abs), 1e-300);
  for (let sweep = 0; sweep < 30; sweep++) {
    let largest = 0;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const off = a[p]?.[q] ?? 0;
        largest = Math.max(largest, Math.abs(off));
        if (Math.abs(off) > 1e-14 * scale) rotatePair(a, vectors, p, q);
      }
    }
    if (largest <= 1e-12 * scale) break;
  }
  return { values: Float64Array.from(a, (row, i) => row[i] ?? 0), vectors };
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
