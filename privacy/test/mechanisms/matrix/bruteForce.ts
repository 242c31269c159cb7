/** Every set of steps a participant may take part in, for short runs. */
export function participationPatterns(
  steps: number,
  minSeparation: number,
  maxParticipations: number,
): readonly (readonly number[])[] {
  const patterns: number[][] = [];
  const extend = (pattern: number[]): void => {
    patterns.push(pattern);
    if (pattern.length === maxParticipations) {
      return;
    }
    const last = pattern.at(-1);
    for (let step = last === undefined ? 0 : last + minSeparation; step < steps; step++) {
      extend([...pattern, step]);
    }
  };
  extend([]);
  return patterns;
}

/** The lower-triangular Toeplitz matrix of a first column, row by row. */
export function toeplitzMatrix(coefficients: Float64Array, steps: number): number[][] {
  return Array.from({ length: steps }, (_, row) =>
    Array.from({ length: steps }, (_, column) => (row >= column ? (coefficients[row - column] ?? 0) : 0)),
  );
}

/** The rows of a matrix whose L2 sensitivity is wanted: the complete nodes of a binary tree over the steps. */
export function treeMatrix(steps: number): number[][] {
  const rows: number[][] = [];
  for (let size = 1; size <= steps; size *= 2) {
    for (let start = 0; start + size <= steps; start += size) {
      rows.push(Array.from({ length: steps }, (_, step) => (step >= start && step < start + size ? 1 : 0)));
    }
  }
  return rows;
}

/**
 * max over patterns of Σ_{i,j} |⟨Cᵢ, Cⱼ⟩|: the squared sensitivity to contributions of norm 1 in any directions, attained
 * whenever signs can be chosen to agree.
 */
export function squaredSensitivity(
  matrix: readonly (readonly number[])[],
  patterns: readonly (readonly number[])[],
): number {
  const steps = matrix[0]?.length ?? 0;
  const products = Array.from({ length: steps }, (_, i) =>
    Array.from({ length: steps }, (_, j) =>
      Math.abs(matrix.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0)),
    ),
  );
  return patterns.reduce((most, pattern) => {
    let sum = 0;
    for (const i of pattern) {
      for (const j of pattern) {
        sum += products[i]?.[j] ?? 0;
      }
    }
    return Math.max(most, sum);
  }, 0);
}
